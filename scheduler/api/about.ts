/** What the document says of a route. */
export const about = (
  tag: 'Instances' | 'Disks' | 'Operations' | 'Catalogue' | 'Hosts' | 'Health',
  operationId: string,
  summary: string,
) => ({ tags: [tag], operationId, summary })
