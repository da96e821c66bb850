# `make demo` and `make test` start from nothing but Python and make; a second run installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := setup.cfg pyproject.toml constraints.txt

.PHONY: demo test weights sr-weights clean

demo: $(VENV)/.installed
	mkdir -p demo
	test -f demo/scan.h5 || $(BIN)/malibu simulate demo/scan.h5 --preset standard --seed 1
	$(BIN)/malibu replay demo/scan.h5 -o demo/images.h5 --config configs/xml/multitasking.xml --report demo/report
	@echo "Open demo/report/report.html in a browser. Research use only; not a medical device."

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

# The shipped weights anew, an hour and a half on 2 cores; then: cp runs/*/*.safetensors nets/shipped
weights: $(VENV)/.installed-dev
	$(BIN)/malibu prepare pairs --simulate 210 --seed 1000 --workers 2
	$(BIN)/python -m nets.train_multitasking fit --config configs/train/multitasking_mdcn.yaml

sr-weights: $(VENV)/.installed-dev
	$(BIN)/malibu prepare-volumes volumes/coronary --domain coronary --count 140
	$(BIN)/malibu prepare-volumes volumes/brain --domain brain
	$(BIN)/python -m nets.train_super_resolution fit --config configs/train/sr_coronary_l1.yaml
	$(BIN)/python -m nets.train_dragan fit --config configs/train/gan_coronary_dragan.yaml

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(SOURCES) | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo
