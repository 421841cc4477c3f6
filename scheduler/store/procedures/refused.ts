import type { CreateResourcesOutcome, DeleteResourcesOutcome } from '../resource-store.ts'
import type {
  ChangeInstanceOutcome,
  CommitPlacementOutcome,
  CommitPlacementsOutcome,
  CreateDiskOutcome,
} from '../store.ts'

/** Thrown to undo what this item has done so far: the batch goes on without it, and the caller gets the outcome. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly outcome:
    | CommitPlacementOutcome
    | CommitPlacementsOutcome
    | ChangeInstanceOutcome
    | CreateResourcesOutcome
    | DeleteResourcesOutcome
    | CreateDiskOutcome

  constructor(outcome: Refused['outcome']) {
    super(outcome.kind)
    this.outcome = outcome
  }
}
