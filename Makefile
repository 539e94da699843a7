# make demo: a map of real soil data, from nothing; make test: all tests; make help: the rest.
# On a fresh Debian or Ubuntu machine QGIS is installed first (root or sudo).

# The Python inside QGIS takes the first python3 on PATH for its own: no pyenv, no virtual environment in front.
export PATH := /usr/sbin:/usr/bin:/sbin:/bin
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX
export QT_QPA_PLATFORM := offscreen
export PIP_DISABLE_PIP_VERSION_CHECK := 1

ENGINE := $(CURDIR)/build/engine/bin/python
QGIS_PYTHON := $(CURDIR)/build/test-qgis/bin/python

.PHONY: help demo test lint format languages package bundle dev docs screenshots bench gpu-check clean qgis
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: dev build/engine/.ready  ## map zinc, copper and lead of the Meuse floodplain into demo_output/
	PYTHONPATH=$(CURDIR) /usr/bin/python3 benchmarks/demo.py

test: dev package build/engine/.tested build/test-qgis/.ready  ## run all tests
	ENGINE=$(ENGINE) QGIS_PYTHON=$(QGIS_PYTHON) .ci/test

lint: build/engine/.tested  ## check style, types and spelling
	ENGINE=$(ENGINE) .ci/lint

format: build/engine/.tested  ## set the code's layout
	$(ENGINE) -m ruff format .

languages: build/engine/.tested  ## collect the texts of the source into the catalogues, and compile these
	PYTHONPATH=$(CURDIR) $(ENGINE) .ci/languages.py

package:  ## zip the plugin as QGIS installs it
	.ci/package build/soil_cnn_plugin.zip

bundle: build/engine/.tested  ## download all packages into build/bundle/, for a computer without internet (SYSTEM= PYTHON=)
	PYTHONPATH=$(CURDIR) $(ENGINE) .ci/bundle.py build/bundle $(if $(SYSTEM),--system $(SYSTEM)) $(if $(PYTHON),--python $(PYTHON))

dev:  ## link the checkout into build/plugins, for QGIS_PLUGINPATH
	.ci/link

docs: build/docs-env/.ready  ## make the guide's site, build/site/index.html; a dead link fails
	/usr/bin/python3 .ci/build_guide.py
	NO_MKDOCS_2_WARNING=1 build/docs-env/bin/python -m mkdocs build --strict

screenshots: dev build/engine/.ready build/docs-env/.ready  ## take the guide's pictures anew in a QGIS window (ONLY="a b": some)
	ENGINE=$(ENGINE) build/docs-env/bin/python .ci/screenshots.py $(ONLY)

bench: build/engine/.ready  ## measure speed and memory against the naive ways into build/bench/ (QUICK=1: a few minutes)
	PYTHONPATH=$(CURDIR) $(ENGINE) benchmarks/bench.py $(if $(QUICK),--quick)

gpu-check: build/engine/.tested  ## check and measure the GPU of this machine in at most 8 minutes into build/bench/
	PYTHONPATH=$(CURDIR) $(ENGINE) benchmarks/gpu_check.py

clean:  ## remove what was built
	rm -rf build demo_output .qgis-settings .hypothesis .mypy_cache .ruff_cache .pytest_cache

qgis:
	@.ci/install_qgis

# The compute environment, built by the plugin's own algorithm, as a user builds it.
build/engine/.ready: soil_cnn_plugin/engine/requirements.txt soil_cnn_plugin/engine/locks/current.txt | qgis dev
	.ci/qgis_process run soilcnn:setupenvironment -- FOLDER=$(CURDIR)/build/engine
	touch $@

build/engine/.tested: .ci/requirements-engine.txt build/engine/.ready
	$(ENGINE) -m ensurepip >/dev/null
	$(ENGINE) -m pip install --quiet -r soil_cnn_plugin/engine/requirements.txt -r .ci/requirements-engine.txt
	touch $@

build/docs-env/.ready: .ci/requirements-docs.txt | qgis
	/usr/bin/python3 -m venv --clear build/docs-env
	build/docs-env/bin/python -m pip install --quiet -r .ci/requirements-docs.txt
	touch $@

build/test-qgis/.ready: .ci/requirements-qgis.txt | qgis
	/usr/bin/python3 -m venv --clear --system-site-packages build/test-qgis
	$(QGIS_PYTHON) -m pip install --quiet -r .ci/requirements-qgis.txt
	touch $@
