# Everything runs in a virtual environment of its own, .venv; the first command makes it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Two at a time: TensorFlow's tests want memory, and the machines that run them have two cores.
JOBS   ?= 2

.PHONY: demo test test-matrix .venvs/newest bench sweep fuzz soak repetitions proto tables docs screenshots clean

demo: $(READY)
	@$(BIN)/python examples/demo.py

test: $(READY)
	$(BIN)/pytest -n $(JOBS) --dist loadfile

# What uses TensorFlow, on the oldest release that is supported and on the newest there is, and on each the modules that
# the other wrote (an hour). Each has an environment of its own, 2 GB in .venvs. make test-matrix PARTS=tests/hub runs a part.
test-matrix: .venvs/oldest/.ready .venvs/newest
	JOBS=$(JOBS) .venvs/newest/bin/python -m tests.releases build/releases .venvs/oldest .venvs/newest

bench: $(READY)
	$(BIN)/python -m tests.benchmarks

# Every architecture of keras.applications against the rules that read graphs: no false alarm (half an hour). And one
# of each family through both writers.
sweep: $(READY)
	$(BIN)/python -m tests.sweep
	SWEEP=1 $(BIN)/pytest tests/author/test_families.py

# A million mutations, unless told otherwise: make fuzz RUNS=100000 FIRST=500000. The numbers name the mutations, so
# runs add up. `python -m tests.fuzz.guided FILE` is led by coverage, and needs the extra `fuzz`.
RUNS  ?= 1000000
FIRST ?= 0
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz --first $(FIRST) --runs $(RUNS) --publish --keep .fuzz/broken

# A synthetic hub of so many modules, good and bad, checked while processes are killed: make soak MODULES=200.
MODULES ?= 2000
soak: $(READY)
	$(BIN)/python -m tests.benchmarks.hub $(MODULES) --kill

# How often the statistics of dropout judge a network wrongly, which they must not: make repetitions RUNS=200.
repetitions: RUNS := 200
repetitions: $(READY)
	$(BIN)/python -m tests.probe.repetitions $(RUNS)

# The descriptors of the proto schema, from its source.
proto: $(READY)
	$(BIN)/python -m grpc_tools.protoc -Ihubcheck/module/proto --include_imports \
	  --descriptor_set_out=hubcheck/module/proto/saved_model.desc hubcheck/module/proto/saved_model.proto

# The tables of TensorFlow's ops and kernels, from the stock Linux wheel (a GPU is not needed).
tables: $(READY)
	$(BIN)/python tools/make_tables.py
	$(BIN)/python tools/make_random_ops.py

# Pages that are generated from data.
docs: $(READY)
	$(BIN)/python -m tests.docs

# Pictures of the HTML report, in build/screenshots; needs Chromium.
screenshots: $(READY)
	$(BIN)/python -m tests.screenshots

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "hubcheck needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[tensorflow,test]'
	$(BIN)/python -m compileall -q hubcheck
	@touch $@

.venvs/oldest/.ready: pyproject.toml tests/releases/oldest.txt
	$(PYTHON) -m venv --clear .venvs/oldest
	.venvs/oldest/bin/pip install --quiet --disable-pip-version-check -c tests/releases/oldest.txt -e '.[tensorflow,matrix]'
	@touch $@

# Asked anew each time, for there may be a newer one.
.venvs/newest:
	$(PYTHON) -m venv .venvs/newest
	.venvs/newest/bin/pip install --quiet --disable-pip-version-check --upgrade --upgrade-strategy eager -e '.[tensorflow,matrix]'

clean:
	rm -rf $(VENV) .venvs demo build dist
