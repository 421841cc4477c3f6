# OpenStack Placement in one process, over a SQLite file, without HTTP: its own WSGI application, called as it stands. Fills
# a region, then asks for hosts and claims one, over and over; prints how long each took. /usr/bin/python3 placement_process.py
# DIRECTORY HOSTS REQUESTS
import json
import os
import sys
import time
import uuid

directory, hosts, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
# Where nothing can be imported: the bench says that the peer is absent.
try:
    from oslo_config import cfg
    from webob import Request

    from placement import conf, db_api, deploy
except ImportError as missing:
    print(json.dumps({"absent": str(missing)}))
    sys.exit(0)

database = os.path.join(directory, "placement.sqlite")
with open(os.path.join(directory, "placement.conf"), "w") as file:
    file.write(
        f"[api]\nauth_strategy = noauth2\n[placement_database]\nconnection = sqlite:///{database}\nsync_on_startup = true\n"
    )
config = cfg.ConfigOpts()
conf.register_opts(config)
config([], project="placement", default_config_files=[file.name])
db_api.configure(config)
application = deploy.loadapp(config)


def ask(method, path, body=None):
    request = Request.blank(path, method=method)
    request.headers["x-auth-token"] = "admin"
    request.headers["openstack-api-version"] = "placement 1.36"
    if body is not None:
        request.content_type = "application/json"
        request.body = json.dumps(body).encode()
    response = request.get_response(application)
    if response.status_int >= 300:
        raise SystemExit(f"{method} {path}: {response.status} {response.text}")
    return json.loads(response.body) if response.body else None


for number in range(hosts):
    provider = ask("POST", "/resource_providers", {"name": f"host-{number}"})
    # Capacities of a host of the bench, in Placement's standard classes.
    inventories = {
        "VCPU": {"total": 128, "allocation_ratio": 1.0},
        "MEMORY_MB": {"total": 1048576},
        "DISK_GB": {"total": 10000},
        "PGPU": {"total": 8},
    }
    body = {"resource_provider_generation": provider["generation"], "inventories": inventories}
    ask("PUT", f"/resource_providers/{provider['uuid']}/inventories", body)

# As many as Nova asks for.
candidates = "/allocation_candidates?limit=1000&resources=VCPU:8,MEMORY_MB:65536,DISK_GB:100,PGPU:1"
warm_up = min(5, requests)
found_ms, claimed_ms = [], []
for turn in range(warm_up + requests):
    began = time.perf_counter()
    found = ask("GET", candidates)["allocation_requests"]
    chosen = found[turn % len(found)]
    body = {
        "allocations": chosen["allocations"],
        "project_id": "project",
        "user_id": "user",
        "consumer_generation": None,
    }
    claiming = time.perf_counter()
    ask("PUT", f"/allocations/{uuid.uuid4()}", body)
    ended = time.perf_counter()
    if turn >= warm_up:
        found_ms.append((claiming - began) * 1000)
        claimed_ms.append((ended - claiming) * 1000)
print(json.dumps({"foundMs": found_ms, "claimedMs": claimed_ms}))
