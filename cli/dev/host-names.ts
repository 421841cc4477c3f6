/** The tail of a uid that names what a host makes for a network. */
const tailOf = (networkUid: string) => networkUid.replaceAll('-', '').slice(-10)

/** The namespace with a network's services, from which its guests can be reached. */
export const namespaceOf = (networkUid: string) => `berth-${tailOf(networkUid)}`
export const bridgeOf = (networkUid: string) => `bb${tailOf(networkUid)}`
