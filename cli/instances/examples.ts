import type { Examples } from '../output/examples.ts'

/** By the name of the command. */
export const examples: Readonly<Record<string, Examples>> = {
  create: {
    'a small one with a login for admin':
      'berth instances create web-1 --type g1-small --ssh-key admin:@~/.ssh/id_ed25519.pub',
    'two GPUs, and what cloud-init does at the first boot':
      'berth instances create train-1 --type g1-large --gpu nvidia-h100-80gb:2 --user-data @setup.yaml',
    'with an address that the project keeps':
      'berth instances create db-1 --type g1-small --network backend --address 10.90.0.20',
    'from capacity that was reserved':
      'berth instances create train-2 --type g1-large --gpu nvidia-h100-80gb:2 --reservation nightly',
    'never on the host of another replica':
      'berth instances create db-2 --type g1-small --anti-affinity db-replicas',
    'eight GPUs as soon as there are as many, within a day':
      'berth instances create train-3 --type g1-large --gpu nvidia-h100-80gb:8 --wait-for-capacity --wait-timeout 86400 --no-wait',
    'four in one rack, all or none':
      'berth instances create worker --count 4 --same-host-label rack --type g1-large --gpu nvidia-h100-80gb:8',
    'from a script: the same key creates it once, and the name is all that is printed':
      'berth instances create job-7 --type g1-small --idempotency-key job-7 --no-wait -o name',
  },
  plan: {
    'would eight GPUs fit, and what rules hosts out':
      'berth instances plan --type g1-xlarge --gpu nvidia-h100-80gb:8',
    'would four fit in one rack, and how many would if not':
      'berth instances plan worker --count 4 --same-host-label rack --type g1-large --gpu nvidia-h100-80gb:8',
  },
  list: {
    'what runs for a team, the newest first':
      "berth instances list --filter 'lifecycle.status=RUNNING AND labels.team:ml' --order-by 'createdAt desc'",
    'a line for each change, until Ctrl-C': 'berth instances list --watch',
    'delete all of a team':
      'berth instances list --filter labels.team:ml -o name | xargs berth instances delete',
  },
  get: { 'all there is to know, for a program': 'berth instances get web-1 -o json' },
  delete: { 'two, and wait for the proof that nothing is left': 'berth instances delete web-1 web-2 --wait' },
  start: { 'start again on the host that has the disks': 'berth instances start web-1' },
  stop: {
    'ask the guest to power off': 'berth instances stop web-1',
    'end a guest that does not listen': 'berth instances stop web-1 --force',
  },
  suspend: { 'keep the memory, and free CPU and memory': 'berth instances suspend web-1' },
  resume: { 'go on where it was': 'berth instances resume web-1' },
  restart: { 'stop and start': 'berth instances restart web-1' },
  reset: { 'press the reset button': 'berth instances reset web-1' },
  update: {
    'show the guest another value, and remove a label':
      'berth instances update web-1 --metadata motto=onwards --remove-label team',
    'take metadata from a file': 'berth instances update web-1 --metadata user-data=@setup.yaml',
  },
  explain: { 'its host, its devices, and what spoke for them': 'berth instances explain web-1' },
  events: { 'why is it as it is': 'berth instances events web-1' },
  'guest-attributes': {
    'the host keys that cloud-init publishes': 'berth instances guest-attributes web-1 hostkeys/',
    'one value, for a program': 'berth instances guest-attributes web-1 app/state -o json',
  },
  console: {
    'log in without a network': 'berth instances console web-1',
    'keep what the guest writes from now on': 'berth instances console web-1 > console.txt',
  },
  serial: {
    'what the guest has said last': 'berth instances serial web-1 --start=-4096',
    'follow a boot': 'berth instances serial web-1 --follow',
  },
}
