# `make demo` and `make test` start from nothing but Python and make; a second run installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Where networks are trained: the first GPU where there is one.
DEVICE ?= $(if $(shell command -v nvidia-smi),cuda:0,cpu)
# On a CPU: half of the courses, since each takes 2 GB, steps for a night on 2 cores, a checkpoint every 20 minutes.
ON_CPU = --data.device cpu --data.limit 6 --data.workers 1 --trainer.precision 32-true --data.samples_per_epoch 100
VARIED_ON = $(if $(filter cpu,$(DEVICE)),$(ON_CPU),--data.device $(DEVICE))
UNROLLED_ON = $(if $(filter cpu,$(DEVICE)),$(ON_CPU) --model.steps 3000,--data.device $(DEVICE))
SOURCES := setup.cfg pyproject.toml constraints.txt
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Two workers with threads of their own would wait for each other.
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.PHONY: demo test test-slow docs screenshots fuzz soak cluster-kills mutants gpu-check test-pythons weights sr-weights clean

demo: $(VENV)/.installed
	mkdir -p demo
	test -f demo/scan.h5 || $(BIN)/malibu simulate-scan demo/scan.h5 --preset anatomy --seed 1
	$(BIN)/malibu replay demo/scan.h5 -o demo/images.h5 --config configs/xml/multitasking.xml --report demo/report \
		--set images=+basis_maps_before
	test -f demo/coronary.h5 || $(BIN)/malibu simulate-volume demo/coronary.h5 --seed 1
	$(BIN)/malibu replay demo/coronary.h5 -o demo/restored.h5 --config configs/xml/super_resolution_coronary.xml --report demo/super_resolution
	@echo "Play with every frame in demo/report/explorer.html, and with the volume in demo/super_resolution/explorer.html;"
	@echo "demo/report/report.html says how both were made. Research use only; not a medical device."

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 --dist loadfile

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "Open docs/_build/html/index.html in a browser."

# What takes minutes.
test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m slow

# The pictures of pages in README and docs, of what `make demo` wrote; look at them.
screenshots: $(VENV)/.installed-dev
	test -f demo/report/explorer.html || $(MAKE) demo
	test -f demo/benchmark.html || $(BIN)/malibu benchmark demo/scan.h5 --methods backprojection,mdcn,unrolled -o demo/benchmark.html
	$(BIN)/python -m tests.support.screenshots

# Spoiled streams, configurations, headers and files for ten minutes; the suite tries a few seconds of it.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.support.fuzz 600

# 300 scans in one process: memory must not grow.
soak: $(VENV)/.installed-dev
	$(BIN)/python -m tests.support.soak 300

# A worker, the scheduler or the client of a batch killed at a random moment, 30 times: no result may be lost or doubled.
cluster-kills: $(VENV)/.installed-dev
	$(ONE_THREAD) $(BIN)/python -m tests.support.cluster_kills 30

# How many small faults in the maths the tests notice: 40 minutes; the others stand in mutants.txt.
mutants: $(VENV)/.installed-dev
	$(ONE_THREAD) $(BIN)/python -m tests.support.mutants

# On a machine with a GPU: its tests, and the operators' times beside goals and references.
gpu-check: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python -m tests.benchmarks.gpu_check

# The part of the suite that needs no torch, on each interpreter that the machine has.
test-pythons:
	$(PYTHON) tests/support/pythons.py

# A training that is done is not done again; one that was interrupted goes on.
define fit
test -f runs/$(1)/$(1).safetensors || $(BIN)/python -m nets.training fit --config configs/train/$(1).yaml $(2) \
	$$(test ! -f runs/$(1)/checkpoints/last.ckpt || echo --ckpt_path runs/$(1)/checkpoints/last.ckpt)
endef

# The shipped weights anew; it goes on where it was interrupted. Two hours on 2 cores, then the courses, and then two parts of
# six and ten minutes on a GPU, or of a night each on 2 cores. Then copy what docs/networks.md names into nets/shipped.
weights: $(VENV)/.installed-dev
	$(BIN)/malibu prepare-pairs pairs --simulate 210 --seed 1000 --workers 2
	$(call fit,multitasking_mdcn)
	$(call fit,multitasking_mdcn_refined)
	$(BIN)/malibu prepare-courses courses
	$(call fit,multitasking_mdcn_varied,$(VARIED_ON) \
		--model.weights runs/multitasking_mdcn_refined/multitasking_mdcn_refined.safetensors)
	$(call fit,multitasking_unrolled,$(UNROLLED_ON))

# Those of super-resolution, four hours on one core; then:
# cp runs/sr_coronary_l1/sr_coronary_l1.safetensors runs/sr_brain_l1/sr_brain_l1.safetensors nets/shipped
# cp runs/gan_coronary_dragan/gan_coronary_dragan.safetensors nets/shipped
sr-weights: $(VENV)/.installed-dev
	$(BIN)/malibu prepare-volumes volumes/coronary --domain coronary --count 100
	$(BIN)/malibu prepare-volumes volumes/brain --domain brain --count 100
	for kind in heart:100 head:60 head_vessels:50 abdomen:50 shapes:70 coronary:20 brain:20; do \
	  $(BIN)/malibu prepare-volumes volumes/joint --domain $${kind%:*} --count $${kind#*:} --shape 96x112x64 || exit 1; done
	$(BIN)/malibu prepare-volumes volumes/joint --domain head_slices --count 60 --shape 32x128x64
	$(call fit,sr_plain_l1)
	$(call fit,sr_coronary_l1)
	$(call fit,sr_joint_l1)
	$(call fit,sr_brain_l1)
	$(call fit,gan_coronary_dragan)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SOURCES) | $(VENV)/bin/python
	$(INSTALL) -e .
	touch $@

$(VENV)/.installed-dev: $(SOURCES) | $(VENV)/bin/python
	$(INSTALL) -e ".[dev]"
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: $(SOURCES) | $(VENV)/bin/python
	$(INSTALL) -e ".[docs]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) demo docs/_build docs/gallery
