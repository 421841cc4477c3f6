// What a project has beside instances: networks with their subnets, reserved addresses, instance types of its own.
import type { FastifyRequest } from 'fastify'
import { projectId } from '../../proto/ids.ts'
import {
  type CreateAddress,
  CreateAddress as CreateAddressBody,
  type CreateFirewallRule,
  CreateFirewallRule as CreateFirewallRuleBody,
  type CreateNetwork,
  CreateNetwork as CreateNetworkBody,
  type CreateProjectInstanceType,
  CreateProjectInstanceType as CreateProjectInstanceTypeBody,
  type CreateReservation,
  CreateReservation as CreateReservationBody,
  type CreateSubnet,
  CreateSubnet as CreateSubnetBody,
  UpdateDescribed,
  UpdateFirewallRule,
  UpdateNetwork,
} from '../admission/resource-requests.ts'
import type { Project } from '../model/catalogue.ts'
import { done } from '../operations/outcome.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { checkRulePatch, planFirewallRule, rulesOf } from '../operations/resources/firewall.ts'
import { planProjectType } from '../operations/resources/instance-types.ts'
import { planAddress, planNetwork, planSubnet } from '../operations/resources/networking.ts'
import { planReservation } from '../operations/resources/reservations.ts'
import { principalOf, projectAccess, projectOf } from './access.ts'
import {
  AddressResource,
  catalogueRenderers,
  FirewallRuleResource,
  NetworkResource,
  ProjectInstanceTypeResource,
  ReservationResource,
  SubnetResource,
} from './catalogue-resources.ts'
import { notFound } from './collection-routes.ts'
import { addChangeable } from './resource-routes.ts'
import type { Server } from './server.ts'

const compute = '/v1/regions/:region/projects/:project/compute'
const access = projectAccess('viewer')

export function addProjectResourceRoutes(server: Server, ports: OperationPorts): void {
  const { catalogue, store } = ports
  const render = catalogueRenderers(catalogue.region)
  /** As it is now: the one of the request may have been read before a change. */
  const current = (request: FastifyRequest): Project => {
    const { id } = projectOf(request)
    return catalogue.projects.find((project) => project.id === id) ?? projectOf(request)
  }
  const asked = <Body>(request: FastifyRequest) => ({
    body: request.body as Body,
    project: projectOf(request).id,
    serverHost: request.host,
  })
  const update = { body: UpdateDescribed }

  addChangeable(
    server,
    {
      path: `${compute}/networks`,
      plural: 'networks',
      noun: 'Network',
      collection: 'networks',
      access,
      write: projectAccess('admin'),
      schema: NetworkResource,
      list: (request) => current(request).networks,
      render: (network, request) => render.network(projectOf(request).id, network),
      create: {
        body: CreateNetworkBody,
        plan: (request) => {
          const mayChooseVlan = principalOf(request).operator
          return planNetwork({ ...asked<CreateNetwork>(request), mayChooseVlan }, ports)
        },
      },
      update: { body: UpdateNetwork },
      beforeDelete: (network) => done(rulesOf(network)),
    },
    ports,
  )
  const networkOf = (request: FastifyRequest) => {
    const { network: id = '' } = request.params as { network?: string }
    const found = current(request).networks.find((network) => network.id === id || network.meta.uid === id)
    if (found === undefined) throw notFound('Network', id, request)
    return found
  }
  addChangeable(
    server,
    {
      path: `${compute}/networks/:network/firewall`,
      plural: 'firewallRules',
      noun: 'Firewall rule',
      collection: 'firewall-rules',
      access,
      write: projectAccess('admin'),
      schema: FirewallRuleResource,
      list: (request) => networkOf(request).firewallRules,
      render: (rule, request) =>
        render.firewallRule({ project: projectOf(request).id, network: networkOf(request).id }, rule),
      create: {
        body: CreateFirewallRuleBody,
        plan: (request) => {
          const { body, project } = asked<CreateFirewallRule>(request)
          return planFirewallRule({ body, project, network: networkOf(request) }, ports)
        },
      },
      update: { body: UpdateFirewallRule, check: checkRulePatch },
    },
    ports,
  )
  addChangeable(
    server,
    {
      path: `${compute}/subnets`,
      plural: 'subnets',
      noun: 'Subnet',
      collection: 'subnets',
      access,
      write: projectAccess('admin'),
      schema: SubnetResource,
      list: (request) =>
        current(request).networks.flatMap((network) =>
          network.subnet === undefined
            ? []
            : [{ id: network.subnet.id, meta: network.subnet.meta, network, subnet: network.subnet }],
        ),
      render: (one, request) => render.subnet(projectOf(request).id, one),
      create: {
        body: CreateSubnetBody,
        plan: (request) => planSubnet(asked<CreateSubnet>(request), ports),
      },
      update,
    },
    ports,
  )
  addChangeable(
    server,
    {
      path: `${compute}/addresses`,
      plural: 'addresses',
      noun: 'Address',
      collection: 'addresses',
      access,
      write: projectAccess('editor'),
      schema: AddressResource,
      list: async (request) => {
        const addresses = await store.listAddresses(projectId(projectOf(request).id))
        return addresses.map((address) => ({ ...address, meta: address }))
      },
      render: (address, request) => render.address(projectOf(request).id, address),
      create: {
        body: CreateAddressBody,
        plan: (request) => planAddress(asked<CreateAddress>(request), ports),
      },
      update,
    },
    ports,
  )
  addChangeable(
    server,
    {
      path: `${compute}/reservations`,
      plural: 'reservations',
      noun: 'Reservation',
      collection: 'reservations',
      access,
      write: projectAccess('editor'),
      schema: ReservationResource,
      list: async (request) => {
        const reservations = await store.listReservations(projectId(projectOf(request).id))
        return reservations.map((reservation) => ({ ...reservation, meta: reservation }))
      },
      render: (reservation, request) => render.reservation(projectOf(request).id, reservation),
      create: {
        body: CreateReservationBody,
        plan: (request) => planReservation(asked<CreateReservation>(request), ports),
      },
      update,
    },
    ports,
  )
  addChangeable(
    server,
    {
      path: `${compute}/instance-types`,
      plural: 'instanceTypes',
      noun: 'Instance type',
      collection: 'instance-types',
      access,
      write: projectAccess('admin'),
      schema: ProjectInstanceTypeResource,
      list: (request) => current(request).instanceTypes,
      render: (type, request) => render.projectInstanceType(projectOf(request).id, type),
      create: {
        body: CreateProjectInstanceTypeBody,
        plan: (request) => planProjectType(asked<CreateProjectInstanceType>(request), ports),
      },
      update,
    },
    ports,
  )
}
