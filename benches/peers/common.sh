# Functions that the comparisons share. To be sourced from the root of the repository.

python=${XDG_CACHE_HOME:-$HOME/.cache}/huracan/venv/bin/python
scripts/setup-python >&2

# Builds a benchmark and prints the path of its program.
bench_binary() {
    cargo build --release --locked --features full --bench "$1" >&2
    cargo build --release --locked --features full --bench "$1" --message-format=json 2>/dev/null |
        "$python" -c '
import json, sys
lines = (json.loads(line) for line in sys.stdin if line.startswith("{"))
print(*[m["executable"] for m in lines if m.get("executable") and m["target"]["name"] == sys.argv[1]])' "$1"
}

about_this_run() {
    local changed
    changed=$(git status --porcelain -- src crates kernels Cargo.toml Cargo.lock | grep -q . && echo ', changed since' || true)
    echo "machine: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
    echo "date: $(date -u +%FT%TZ)  commit: $(git rev-parse --short HEAD)$changed"
}
