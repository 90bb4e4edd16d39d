.DEFAULT_GOAL := help
.PHONY: help demo test lint stores chaos mutants ray bench docs package
DEV := .venv/bin/python

help:  ## Show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /: /' | column -t -s ':'

demo:  ## Find pictures by text, image and both; no key needed
	@scripts/environment .venv-demo langchain,emulator demo
	@.venv-demo/bin/python examples/demo.py

test:  ## Run every offline test
	@scripts/environment .venv all demo test lint
	@PYTHONDONTWRITEBYTECODE= $(DEV) -m pytest -n 6 --dist loadfile --no-loadscope-reorder

lint:  ## Check style, types and layering
	@scripts/environment .venv all demo test lint
	@$(DEV) -m ruff check .
	@$(DEV) -m ruff format --check .
	@$(DEV) -m mypy
	@.venv/bin/lint-imports

stores:  ## Try the stores that need a server or a package of their own, PostgreSQL among them
	@scripts/environment .venv-stores all demo test stores
	@STORES=1 .venv-stores/bin/python -m pytest tests/integrations/langchain/test_lc_stores.py -k "not chroma"
	@STORES=1 .venv-stores/bin/python -m pytest tests/integrations/llama_index/test_li_stores.py -k "not milvus"
	@.venv-stores/bin/python -m pytest tests/stores

chaos:  ## Prove every promise in full size, and that each proof can fail; STEPS="promises browser" chooses
	@scripts/environment .venv all demo test lint
	@$(DEV) scripts/chaos.py $(STEPS)

mutants:  ## Change the core one operator at a time and list what no test notices (an hour); NAMES="batching ark" chooses
	@scripts/environment .venv-mutants all demo test mutants
	@.venv-mutants/bin/python scripts/mutation.py $(NAMES)

ray:  ## Run 20,000 rows through a Ray cluster on this machine, a worker killed in the middle (10 minutes)
	@scripts/environment .venv-ray ray,emulator ray
	@.venv-ray/bin/python -m pytest tests/ray

bench:  ## Measure the client beside the vendors' own (20 minutes on a quiet machine)
	@scripts/environment .venv all demo test lint
	@$(DEV) -m benchmarks --width 16,64
	@$(DEV) -m benchmarks.imports

docs:  ## Build the documentation into site/
	@scripts/environment .venv-docs emulator docs
	@.venv-docs/bin/mkdocs build --strict

package:  ## Build, check and install every extra on every Python installed; says how to publish (15 minutes)
	@scripts/environment .venv-package emulator,multi
	@.venv-package/bin/python scripts/package.py
