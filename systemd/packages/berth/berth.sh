#!/bin/sh
exec /usr/lib/berth/node --liftoff-only /usr/lib/berth/main.js "$@"
