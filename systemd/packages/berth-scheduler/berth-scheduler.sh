#!/bin/sh
exec /usr/lib/berth-scheduler/node --liftoff-only /usr/lib/berth-scheduler/main.js "$@"
