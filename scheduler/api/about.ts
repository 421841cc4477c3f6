/** What the document says of a route. */
export const about = (
  tag: 'Instances' | 'Disks' | 'Operations' | 'Catalogue' | 'Hosts' | 'Identity' | 'Health',
  operationId: string,
  summary: string,
) => ({ tags: [tag], operationId, summary })
