# make demo    a class of 46 submissions, graded in the sandbox, with its report
# make test    the test suite
# make proof   the full counts; writes docs/proofs/*.json
# make bench   side by side with PyTorch; writes benchmarks/results/*.json
# make build   exercises/ from solutions/

PYTHON ?= python3
BIN := .venv/bin
# Several processes run side by side everywhere: BLAS threads would only wait for each other.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1

.PHONY: demo test proof bench build clean

demo: .venv/installed
	$(BIN)/autograder demo

test: .venv/tested
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -q

proof: .venv/tested
	$(BIN)/python -m pytest -q -m proof -p no:xdist

bench: .venv/tested
	$(BIN)/python -m benchmarks

build: .venv/installed
	$(BIN)/autograder build

# pip reads pyproject.toml, so a change there installs anew.
.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[grading,viz]"
	touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check -e ".[grading,viz,test,kernels]"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info
