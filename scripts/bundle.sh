#!/usr/bin/env bash
# Make dist/drorch-VERSION-bundle.tar.gz: all that a clean Debian 12 or 13 needs to run drorch
# without any network. PLANS names the folder with your plans.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
plans=${PLANS:-plans/examples}
version=$("$python" -c "import tomllib; print(tomllib.load(open('pyproject.toml', 'rb'))['project']['version'])")
name=drorch-$version-bundle
room=build/bundle
folder=$room/$name

if [ ! -d "$plans" ]; then
  echo "there is no folder $plans: name the one with your plans, make bundle PLANS=folder" >&2
  exit 2
fi
mapfile -t files < <(find "$plans" -maxdepth 1 -name '*.yaml' ! -name '*.fleet.yaml' | sort)
if [ "${#files[@]}" -eq 0 ]; then
  echo "there is no plan (*.yaml) in $plans" >&2
  exit 2
fi

rm -rf "$room"
mkdir -p "$folder/wheels" "$folder/plans" "$folder/printed" "$folder/docs" dist

from=()
if [ -n "${WHEELHOUSE:-}" ]; then from=(--no-index --find-links "$WHEELHOUSE"); fi
glibc=(manylinux2014 manylinux2010 manylinux1 manylinux_2_36 manylinux_2_35 manylinux_2_34 \
  manylinux_2_31 manylinux_2_28 manylinux_2_27 manylinux_2_26 manylinux_2_24 manylinux_2_17 \
  manylinux_2_12 manylinux_2_5)
platforms=()
for one in "${glibc[@]}"; do platforms+=(--platform "${one}_x86_64"); done

for minor in 11 13; do # Debian 12 has Python 3.11, Debian 13 has 3.13
  echo "fetching wheels for Python 3.$minor"
  "$python" -m pip download -qq --disable-pip-version-check --no-deps --only-binary=:all: \
    --require-hashes "${from[@]}" "${platforms[@]}" --implementation cp \
    --python-version "3.$minor" --abi "cp3$minor" --abi abi3 --abi none \
    --dest "$folder/wheels" --requirement requirements/extras.txt --requirement requirements/bundle.txt
done
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  --no-index --wheel-dir "$folder/wheels" .

cp "$plans"/*.yaml "$folder/plans/"
for file in "${files[@]}"; do
  paper=$folder/printed/$(basename "${file%.yaml}")
  for language in en it; do
    "$python" -m scripts.print_plan --lang "$language" "$file" >"$paper.$language.txt"
    "$python" -m scripts.print_plan --lang "$language" --html "$file" >"$paper.$language.html"
  done
done
"$python" -m scripts.print_plan --contacts "${files[@]}" >"$folder/contacts.txt"
cp requirements/extras.txt "$folder/requirements.txt"
cp -r docs/. "$folder/docs/"
cp LICENSE scripts/install.sh scripts/README-first.txt "$folder/"
chmod 0755 "$folder/install.sh"
find "$folder" -name __pycache__ -type d -prune -exec rm -rf {} +
(cd "$folder" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)

tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime='2000-01-01 00:00Z' \
  --mode='u+rwX,go+rX,go-w' --directory "$room" "$name" | gzip -n >"dist/$name.tar.gz"
echo "dist/$name.tar.gz: $(du -h "dist/$name.tar.gz" | cut -f1), $(ls "$folder/wheels" | wc -l) wheels, ${#files[@]} plans"
