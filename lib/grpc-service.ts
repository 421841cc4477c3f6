import {
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'

/** The structure that grpc-js takes as a service definition, for one method. */
export interface GrpcMethod {
  path: string
  requestStream: boolean
  responseStream: boolean
  requestSerialize(message: unknown): Buffer
  requestDeserialize(bytes: Buffer): unknown
  responseSerialize(message: unknown): Buffer
  responseDeserialize(bytes: Buffer): unknown
}

/** A generated service, as a definition for `server.addService` and `makeClientConstructor`. */
export function grpcServiceOf(service: DescService): Record<string, GrpcMethod> {
  return Object.fromEntries(service.methods.map((method) => [method.localName, grpcMethodOf(method)]))
}

function grpcMethodOf(method: DescMethod): GrpcMethod {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: serializerOf(method.input),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: serializerOf(method.output),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  }
}

/** Bytes are a message that is encoded already. */
function serializerOf<Message extends DescMessage>(schema: Message) {
  return (message: unknown): Buffer => {
    const bytes = message instanceof Uint8Array ? message : toBinary(schema, message as MessageShape<Message>)
    // A view on the same memory: grpc-js wants a Buffer.
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
}
