#!/bin/sh
# Makes what runs in the image: a virtual environment with exactly what requirements.lock pins, and our code beside it.
# install.sh FOLDER; run in the root of the repository. The Dockerfile runs it, and so does the test of the image's entry.
set -eu

python3 -m venv --without-pip "$1"
"${UV:-uv}" pip sync --quiet --require-hashes --compile-bytecode --link-mode copy --python "$1/bin/python" requirements.lock
mkdir "$1/app"
cp -R ims functions "$1/app/"
site=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
printf '%s\n' "$1/app" >"$site/ims.pth"
printf '#!%s\nfrom ims.cli.main import run\n\nrun()\n' "$1/bin/python" >"$1/bin/ims"
chmod 755 "$1/bin/ims"
find "$1/app" -name __pycache__ -type d -prune -exec rm -r {} +
"$1/bin/python" -m compileall -q "$1/app" # the image is read-only: what is not compiled now would be compiled at every start
