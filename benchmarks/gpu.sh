#!/bin/sh
# All that is to be measured on a GPU, by one command: its figures go to benchmarks/results/gpu*.json.
#   sh benchmarks/gpu.sh                                 one NVIDIA GPU with 80 GB, about an hour
#   sh benchmarks/gpu.sh --device cpu --size tiny        the same in miniature, to see that all of it runs
# Needs the package with the extra `quantized`, and benchmarks/requirements.txt; flash_attn takes part where it is installed.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
mkdir -p results
"$python" gpu.py "$@" --out results/gpu.json
case "$*" in
*tiny*) "$python" vocabulary.py --vocabularies 512 --rows 2 --out results/gpu-vocabulary.json ;;
*) "$python" vocabulary.py --device cuda --precision bf16 --clock wall --rows 16 128 --out results/gpu-vocabulary.json ;;
esac
