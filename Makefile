PYTHON = .venv/bin/python
BENCH = /tmp/bench
TODAY := $(shell date -u +%Y-%m-%d)

T = 600

.PHONY: help check quick test deep spark fuzz sanitize fix kernels golden docs site pictures bench performance lock oldest reproducible sbom cross-wheels release-check package-deb package-rpm package-check image

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1 - /p' Makefile

check: ## all that CI runs: style, types, import directions, every test
	sh tests/run

quick: ## the first case of each test that starts no program: under a minute
	$(PYTHON) -m pytest -q --quick

test: ## all tests but the slow ones and the corpus: some minutes
	$(PYTHON) -m pytest

deep: ## the tests with generated examples, a hundred times as many: hours; sh tests/run has their short form
	$(PYTHON) tools/spark_environment.py || true
	PORTCALL_DEEPER=100 $(PYTHON) -m pytest -m "" $$(grep -rlE "@given|DEEPER" tests --include="test_*.py")

spark: ## the tests of Apache Spark with two executors, which are killed: minutes; wants Java; a part of make deep
	$(PYTHON) tools/spark_environment.py
	PORTCALL_DEEPER=1 $(PYTHON) -m pytest -m "" -q -n 1 --durations=0 tests/engines/test_spark.py

fuzz: ## the fuzzers, T seconds in all (make fuzz T=600), going on where they ended; docs/fuzzing.md
	$(PYTHON) fuzz/run_fuzzers.py --seconds $(T)

sanitize: ## the tests of the kernels, and all findings and seeds of the fuzzers, with sanitizers: minutes
	$(PYTHON) fuzz/sanitized_tests.py

fix: ## let ruff mend style
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

kernels: ## compile the kernels in place after a change to them
	$(PYTHON) setup.py -q build_ext --inplace

golden: ## write the tables and screens that tests compare with; read their difference before you commit
	PORTCALL_WRITE_GOLDEN=1 $(PYTHON) -m pytest tests/views/test_views.py tests/views/screen/test_application.py

docs: ## write what the pages in docs/ have from the code: columns, options, links, dissectors, figures, licences
	$(PYTHON) tools/document_columns.py
	$(PYTHON) tools/document_options.py
	$(PYTHON) tools/document_dissectors.py
	$(PYTHON) tools/document_layers.py
	$(PYTHON) tools/document_licences.py
	$(PYTHON) tools/document_numbers.py

site: ## all pages as a site in build/site, strictly: a link that leads nowhere is an error; needs the extra docs
	$(PYTHON) -m mkdocs build

pictures: ## write the pictures of the HTML report, with Chromium, and of the screen in docs/images
	$(PYTHON) tools/picture_page.py
	$(PYTHON) tools/picture_screen.py

bench: ## what to run is in benchmarks/README.md
	@cat benchmarks/README.md

performance: ## measure all contenders anew, and draw docs/images/performance.svg: an hour, 12 GB; needs matplotlib
	$(PYTHON) benchmarks/generate.py $(BENCH)
	$(PYTHON) benchmarks/compare.py --captures $(BENCH) -o benchmarks/results/$(TODAY).json
	$(PYTHON) benchmarks/scaling.py --directory $(BENCH) -o benchmarks/results/scaling/$(TODAY).json
	$(PYTHON) benchmarks/picture.py benchmarks/results/$(TODAY).json benchmarks/results/scaling/$(TODAY).json
	$(PYTHON) tools/document_numbers.py

lock: ## write the versions, with hashes, that releases install; make lock UPGRADE=--upgrade takes the newest
	$(PYTHON) tools/locked_versions.py $(UPGRADE)

oldest: ## the tests of reading captures with the oldest of each package that pyproject.toml allows: minutes
	$(PYTHON) tools/oldest_versions.py

reproducible: ## build source archive and wheel twice, in other surroundings; their bytes must be the same
	$(PYTHON) tools/reproducible_builds.py

sbom: ## what the wheel in build/release brings along, as CycloneDX lists it
	$(PYTHON) tools/bill_of_materials.py

release-check: ## build what a release publishes, audit it, and install it for each Python that is here: some minutes
	$(PYTHON) tools/release_check.py

cross-wheels: ## wheels for aarch64 and musl by zig, of the archive that release-check left: to try them; minutes
	$(PYTHON) tools/cross_wheels.py

package-deb: ## a Debian package of the wheel that release-check left, with an environment of its own inside
	$(PYTHON) tools/system_packages.py deb

package-rpm: ## the same for Fedora
	$(PYTHON) tools/system_packages.py rpm

package-check: ## install both in a Debian without a compiler, read a capture, remove them; as root, a minute or two
	$(PYTHON) tools/package_check.py

image: ## packaging/Dockerfile built by buildah on a base by mmdebstrap, and a capture read in it; as root, minutes
	$(PYTHON) tools/image.py
