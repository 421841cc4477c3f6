import type { Command } from 'commander'

/** A command that talks to a region: where, as whom, and in which form it answers. */
export const addWithContext = (parent: Command, usage: string, description: string): Command =>
  parent
    .command(usage)
    .description(description)
    .option('--project <id>', 'project')
    .option('--region <id>', 'region')
    .option('--server <url>', 'URL of the API')
    .option('--token <token>', 'bearer token (better: BERTH_TOKEN, which other users do not see)')
    .option('--context <name>', 'a saved context instead of the current one')
    .option('-o, --output <format>', 'table, json, yaml or name', 'table')
