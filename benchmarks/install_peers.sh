#!/bin/sh
# Install the tools that compare.py measures beside portcall: Debian's packages, and nfstream in an environment of its own.
# What is missing is left out of a comparison, so none of this is needed. usage: install_peers.sh [DIRECTORY of nfstream]
set -eu
environment=${1:-${TMPDIR:-/tmp}/nfstream}
apt-get install -y --no-install-recommends argus-server libndpi-bin nfdump softflowd tcpdump tshark
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet nfstream
echo "python benchmarks/compare.py --nfstream $environment/bin/python"
