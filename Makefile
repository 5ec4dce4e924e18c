# `make report` and `make test` create what they need; `make help` lists the rest.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# Recipes run where make was started, and are about the folder in which this file lies.
ifeq ($(filter Makefile ./Makefile $(CURDIR)/Makefile,$(lastword $(MAKEFILE_LIST))),)
$(error this is not the folder of the project; go there, or name it with make -C)
endif

# PY=python3 uses an interpreter that already has the packages (conda, another machine's own); else .venv is made.
VENV := .venv
PY ?= $(VENV)/bin/python
ifeq ($(strip $(PY)),)
override PY := $(VENV)/bin/python
endif

# Notebooks and the report find lab_utils from anywhere. Text is UTF-8 whatever the locale.
THEIRS := $(value PYTHONPATH)
export PYTHONPATH := $(CURDIR)$(if $(THEIRS),:$(THEIRS))
unexport PYTHONINSPECT
export PYTHONUTF8 := 1
export JUPYTER_PREFER_ENV_PATH := 1
export PYTHONDONTWRITEBYTECODE ?=
# Memory in pages of 2 MB, where glibc and Linux give them: a step of a network takes 3 to 7 % less time.
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1

# Known variables, from the environment too, and all that stand on the command line: the report refuses what it does
# not know.
KNOWN := PROFILE NB DATA_DIR FACES SEED JOBS SPLIT CHANGES FORCE REPORTS CACHE
GIVEN := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
# What is given holds as it was written: make would expand a $ in it, here and in what it exports, and run a $(shell).
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))
define newline


endef
quoted = '$(subst $(newline),'$$'\n'',$(subst ','\'',$(1)))'
ARGUMENTS = $(foreach name,$(sort $(KNOWN) $(GIVEN)),$(call quoted,$(name)=$(value $(name))))

# An interpreter in a folder with a space is one word, python3 -X dev three.
RUN := $(if $(shell p=$(call quoted,$(value PY)); [[ ! -f $$p || $$p != *' '* ]] || echo 1),$(call quoted,$(value PY)),$(PY))

.PHONY: help report seeds verify publish submit compare bench chaos test test-slow lab data clean lock

help: ## print the targets
	@echo 'make TARGET [PROFILE=smoke|quick|long|full] [NB="01 03"] [DATA_DIR=dir] [FACES=auto|photographs|avatars] [SEED=n] [SPLIT=test|validation] [CHANGES=json] [FORCE=1] [JOBS=n] [REPORTS=dir] [CACHE=dir] [PY=python3]'
	@echo 'make seeds [N=5] [GRID=json] and the same words; make submit NAME="Ada Lovelace" [PROFILE=name]; make compare A=dir B=dir; make lab [LAB="--no-browser --port=8890"]'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 12

# Whether the interpreter can run the project, in a line if not.
.PHONY: able
able: $(if $(filter $(VENV)/bin/python,$(PY)),$(VENV)/installed)
	@set -- $(RUN); command -v "$$1" >/dev/null || { echo "error: PY=$$1: there is no such program; leave PY out, and make makes an environment, or name another interpreter" >&2; exit 2; }
	@PYTHONPATH=$(call quoted,$(THEIRS)) $(RUN) lab_utils/able.py

report: able ## run what is missing or changed, write reports/<profile>/index.html
	@$(RUN) -m lab_utils.report run $(ARGUMENTS)

seeds: KNOWN += N GRID
seeds: able ## run notebooks with N seeds, at each point of a GRID of settings, write reports/<profile>/seeds.json
	@$(RUN) -m lab_utils.seeds $(ARGUMENTS)

verify: able ## run the notebooks again and compare every number with reports/published/
	@$(RUN) -m lab_utils.report verify $(ARGUMENTS)

publish: able ## put the finished report of PROFILE into reports/published/
	@$(RUN) -m lab_utils.report publish $(ARGUMENTS)

# NAME, A and B count on the command line alone: in an environment they mean something else (NAME, the machine).
submit: able ## pack the report of PROFILE into one file to hand in under your NAME
	@$(RUN) -m lab_utils.report submit $(ARGUMENTS)

compare: able ## say what differs between the reports in folders A and B, and why
	@$(RUN) -m lab_utils.report compare $(ARGUMENTS)

bench: KNOWN := PARTS DATA_DIR CACHE
bench: able ## measure speed, time to quality and memory against the usual loops, and the page to play with (PARTS="speed quality memory explore")
	@LAB_CACHE=$(call quoted,$(value CACHE)) MPLBACKEND=agg $(RUN) -m benchmarks $(ARGUMENTS)

chaos: KNOWN := N FULL SEED TRIAL JOBS
chaos: able ## hurt N reports, each in its own way, and see that the next command mends them ([N=20] [FULL=0] [SEED=0] [TRIAL=number] [JOBS=1])
	@$(RUN) -m chaos $(ARGUMENTS)

test: able ## run the checks that matter, a quarter of an hour on two cores
	@$(RUN) -m pytest -m "not slow" $(PYTEST)

test-slow: able ## run all the others
	@$(RUN) -m pytest -m slow $(PYTEST)

lab: KNOWN += LAB
lab: able ## open JupyterLab with a kernel that finds lab_utils (LAB="--no-browser --port=8890" gives it options)
	@$(RUN) -m lab_utils.report lab $(ARGUMENTS)

data: able ## fetch the data now, so that later runs need no network
	@$(RUN) -m lab_utils.report data $(ARGUMENTS)

clean: ## remove reports, caches and the virtual environment, never data/ or published reports
	@rm -rf $(VENV) .pytest_cache .ruff_cache data/cache
	@[[ ! -d reports ]] || find reports -mindepth 1 -maxdepth 1 ! -name published -exec rm -rf {} +
	@find . -name __pycache__ -prune -exec rm -rf {} +

lock: ## compile requirements.lock again from pyproject.toml (LOCK=--upgrade)
	@$(RUN) -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock $(LOCK)

$(VENV)/installed: requirements.lock
	@python=$$(for p in python3 python3.13 python3.12 python3.11; do \
		$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done) \
		|| { echo 'error: no Python 3.11 to 3.13 on the PATH; install one, or name an interpreter that has the packages with PY=' >&2; exit 2; }; \
	echo "making $(VENV) with $$($$python --version): about 6 GB, a few minutes, once"; \
	case '$(VENV)' in /*) at='$(VENV)';; *) at="$$PWD/$(VENV)";; esac; \
	[[ $$at != *:* ]] || { echo "error: $$at: Python makes no virtual environment below a colon; make it elsewhere with VENV=dir, or name an interpreter that has the packages with PY=" >&2; exit 2; }; \
	mkdir -p "$$at" 2>/dev/null || { echo "error: $$at cannot be made; make it elsewhere with VENV=dir, or name an interpreter that has the packages with PY=" >&2; exit 2; }; \
	$$python -m venv $(VENV) || { echo 'error: Python cannot make virtual environments; on Debian: apt-get install python3-venv' >&2; exit 2; }; \
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	@touch $@
