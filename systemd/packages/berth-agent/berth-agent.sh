#!/bin/sh
# As the unit starts it; see there why.
exec /usr/lib/berth-agent/node --liftoff-only --no-opt --no-maglev --optimize-for-size --max-semi-space-size=1 /usr/lib/berth-agent/main.js "$@"
