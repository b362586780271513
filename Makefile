# Everything runs in a virtual environment of its own, .venv, which the first command creates.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Test processes: TensorFlow needs memory, and CI has two cores.
JOBS   ?= 2
# The versions that the tests run with, so that a release elsewhere does not fail them. `make constraints` refreshes it.
PINS   := tests/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo check test test-matrix .venvs/newest constraints bench bench-compare compare exporters consumers sweep fuzz soak soak-cluster stability repetitions proto tables docs screenshots clean

demo: $(READY)
	@$(BIN)/python examples/demo.py

# For every edit, in under a minute: linter, types, import order, generated pages, and the unit tests.
# With cached bytecode, whatever the environment says: without it every process compiles what it imports again.
check test: export PYTHONDONTWRITEBYTECODE :=
UNIT := tests/test_quality.py tests/test_layers.py tests/docs/test_generated.py $(addprefix tests/,engine util graph checks module report run)
check: $(READY)
	$(BIN)/pytest -n $(JOBS) --dist loadfile -q -m "not slow" $(UNIT)

# Everything.
test: export PIP_CONSTRAINT := $(abspath $(PINS))
test: $(READY)
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# The tests that use TensorFlow, on the oldest supported release and on the newest, and on each the modules that the
# other wrote (an hour). Each has an environment of 2 GB in .venvs. make test-matrix PARTS=tests/hub runs a part.
test-matrix: .venvs/oldest/.ready .venvs/newest
	JOBS=$(JOBS) .venvs/newest/bin/python -m tests.releases build/releases .venvs/oldest .venvs/newest

# Install the newest release of everything in an empty environment, and pin it in $(PINS).
constraints:
	$(PYTHON) -m venv --clear .venvs/constraints
	.venvs/constraints/bin/pip install --quiet -e '.[tensorflow,test]' hatchling
	.venvs/constraints/bin/pip freeze --exclude-editable | sed '1i # Written by `make constraints`.' > $(PINS)

# Speed and memory, each with its goal, and as JSON in build/bench. make bench PARTS="static cache" measures parts; with
# PARTS="--output tests/benchmarks/results.json static" and `make docs`, they become part of docs/reference/speed.md.
bench: $(READY)
	$(BIN)/python -m tests.benchmarks $(PARTS)

# This checkout and another revision, run in turn on the same machine: make bench-compare REVISION=main.
bench-compare: $(READY)
	$(BIN)/python -m tests.benchmarks --against $(REVISION) $(PARTS)

# The reports of this checkout against those of another revision, on the same modules: make compare REVISION=main.
REVISION ?= main
compare: $(READY)
	$(BIN)/python -m tests.compare $(REVISION)

# Every architecture of keras.applications against the rules that read graphs: no false alarm (half an hour). And one
# of each family through both writers.
sweep: $(READY)
	$(BIN)/python -m tests.sweep
	SWEEP=1 $(BIN)/pytest tests/author/test_families.py tests/author/test_large_weights.py

# What becomes of models of other libraries, and what other libraries make of modules: the tables of the page
# docs/reference/compatibility.md, after `make docs`. An hour and a half, 13 GB in .venvs. A part: make exporters ONLY=keras-hub.
# A run of make exporters that was stopped goes on where it stopped when it is started again.
exporters: $(READY)
	$(BIN)/python -m tests.exporters $(ONLY)

consumers: $(READY)
	$(BIN)/python -m tests.consumers $(ONLY)

# Those that hubcheck itself runs in have it, too.
.venvs/exporters/.ready .venvs/official/.ready .venvs/onnx/.ready .venvs/consumers/.ready .venvs/tf215/.ready: \
.venvs/%/.ready: tests/exporters/environments/%.txt
	$(PYTHON) -m venv --clear .venvs/$*
	.venvs/$*/bin/pip install --quiet -r $<
	@touch $@

# A million mutations by default: make fuzz RUNS=100000 FIRST=500000. A mutation is named by its number, so runs add
# up. `python -m tests.fuzz.guided FILE` is guided by coverage, and needs the extra `fuzz`.
RUNS  ?= 1000000
FIRST ?= 0
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --first $(FIRST) --runs $(RUNS) --publish --keep .fuzz/broken

# A synthetic hub of good and bad modules, checked while processes are killed: make soak MODULES=200.
MODULES ?= 2000
soak: $(READY)
	$(BIN)/python -m tests.benchmarks.hub $(MODULES) --kill

# A hub over a cluster whose workers come and go, one of them with other code: make soak-cluster MODULES=300.
soak-cluster: MODULES := 300
soak-cluster: $(READY)
	$(BIN)/python -m tests.run.cluster_soak $(MODULES)

# Whether reports depend on anything but the modules: make stability MODULES=80 SETTINGS=8 (an hour on two cores).
stability: MODULES := 80
SETTINGS ?= 8
stability: $(READY)
	$(BIN)/python -m tests.stability --modules $(MODULES) --settings $(SETTINGS)

# How often the statistics of dropout judge a network wrongly, which must be never: make repetitions RUNS=200.
repetitions: RUNS := 200
repetitions: $(READY)
	$(BIN)/python -m tests.probe.repetitions $(RUNS)

# The descriptors of the proto schema, from its source.
proto: $(READY)
	$(BIN)/python -m grpc_tools.protoc -Ihubcheck/module/proto --include_imports \
	  --descriptor_set_out=hubcheck/module/proto/saved_model.desc hubcheck/module/proto/saved_model.proto

# The tables of TensorFlow's ops and kernels, from the stock Linux wheel (no GPU needed).
tables: $(READY)
	$(BIN)/python tools/make_tables.py

# The pages of the checkout that are generated, and the documentation site, in build/docs; warnings are errors. Its page
# that checks modules in the browser is compiled by Node, from what npm and pip fetch.
docs: $(READY)
	$(BIN)/python -m tests.docs
	$(BIN)/python -m sphinx -b html -n -W --keep-going -q docs build/docs
	$(BIN)/python -m tools.check_page build/docs

# Screenshots of the HTML report, in build/screenshots; needs Chromium.
screenshots: $(READY)
	$(BIN)/python -m tests.screenshots

$(READY): pyproject.toml $(PINS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hubcheck needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c $(PINS) -e '.[tensorflow,test]'
	$(BIN)/python -m compileall -q hubcheck
	@touch $@

.venvs/oldest/.ready: pyproject.toml tests/releases/oldest.txt
	$(PYTHON) -m venv --clear .venvs/oldest
	.venvs/oldest/bin/pip install --quiet -c tests/releases/oldest.txt -e '.[tensorflow,matrix]'
	@touch $@

# Upgraded each time: there may be a newer release.
.venvs/newest:
	$(PYTHON) -m venv .venvs/newest
	.venvs/newest/bin/pip install --quiet --upgrade --upgrade-strategy eager -e '.[tensorflow,matrix]'

clean:
	rm -rf $(VENV) .venvs demo build dist
