# Everything is driven from here; `make` alone lists what there is.
# A target that needs the project's environment sets it up first, from the lock files.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

SERVICE ?= churn
FAULT ?= wrong-unit
ENV ?= local
PYTHON := $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
UV = $(shell command -v uv || echo .venv/bin/uv)
SPEC := services/$(SERVICE)/service.yaml

# Nothing that runs here needs the network, looks at another project, or leaves bytecode of an older tree behind.
export PYTHONPATH := $(CURDIR)
export PATH := $(CURDIR)/build/tools:$(PATH)
unexport VIRTUAL_ENV PYTHONHOME

.PHONY: help
help:  ## show this list
	@echo "usage: make TARGET [SERVICE=churn] [FAULT=wrong-unit]"; echo
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14 | sed 's/^/  /'

# --- set-up -----------------------------------------------------------------

.PHONY: setup
setup: .venv/ready .venv-server/ready  ## install what the lock files name (other targets do it by themselves)

.venv/ready: requirements.txt
	@bash .ci/environment .venv $< "$(PYTHON)"
.venv-server/ready: services/model_server/requirements.txt .venv/ready
	@bash .ci/environment .venv-server $< "$(PYTHON)"

.PHONY: lock
lock: .venv/ready  ## resolve pyproject.toml anew into the lock files
	$(UV) pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-header pyproject.toml --group dev -o requirements.txt
	for image in server:services/model_server judge:services/judge mlflow:services/mlflow stores:services/stores \
	  steps:components load:tests/load; do \
	  $(UV) pip compile -q --python-version 3.11 --generate-hashes --no-header --group $${image%%:*} \
	    -c requirements.txt -o $${image##*:}/requirements.txt; \
	done

# --- the way of one model -----------------------------------------------------

.PHONY: demo
demo: setup  ## the whole way on this machine; FAULT=errors|slow|wrong-unit|worse|shuffled-labels|none
	@$(PY) -m k8s.twin.supervise -- $(PY) -m k8s.twin.demo --spec $(SPEC) --fault $(FAULT)

.PHONY: new
new: export NAME ?=
new: export DATA ?=
new: export TARGET ?=
new: export POSITIVE ?=
new: setup  ## first spec for a table: NAME=attrition DATA=table.csv TARGET=Attrition [POSITIVE=Yes]
	@$(PY) -m components.profile --name "$$NAME" --data "$$DATA" --target "$$TARGET" $${POSITIVE:+--positive "$$POSITIVE"}

.PHONY: train
train: export MLFLOW ?=
train: setup  ## train, judge offline, package and register SERVICE: [MLFLOW=uri of the registry]
	@$(PY) -m pipelines.local --spec $(SPEC) --home build/train/$(SERVICE) $${MLFLOW:+--mlflow "$$MLFLOW"}

.PHONY: compile
compile: setup  ## write the pipeline of SERVICE for Kubeflow Pipelines
	@$(PY) -m pipelines.compile --spec $(SPEC) --output build/$(SERVICE)-pipeline.yaml

.PHONY: submit
submit: export STORE ?=
submit: export DATA ?=
submit: export IMAGE ?=
submit: setup  ## run SERVICE's pipeline on Kubeflow Pipelines (KFP_ENDPOINT): STORE=s3://... DATA=s3://... [IMAGE=name:tag]
	@$(PY) -m pipelines.submit --spec $(SPEC) --store "$$STORE" $${DATA:+--data "$$DATA"} $${IMAGE:+--image "$$IMAGE"}

.PHONY: serve
serve: setup  ## serve the newest package of SERVICE behind the gateway
	@$(PY) -m k8s.twin.supervise -- $(PY) -m k8s.twin.serve --spec $(SPEC)

.PHONY: load
load: setup  ## put load on SERVICE and hold it to tests/load/budget.yaml
	@$(PY) -m k8s.twin.supervise -- $(PY) -m tests.load.budget --spec $(SPEC)

# --- on a cluster, the one that KUBECONFIG names ----------------------------------

.PHONY: cluster
cluster: setup  ## a local cluster of two nodes, with kind and docker
	@$(PY) -m k8s.cluster

.PHONY: platform
platform: setup  ## bring a cluster what it lacks: controllers, configs, the judge, MLflow; ENV=local [WITH="flux keda"]
	@$(if $(filter local,$(ENV)),$(MAKE) platform-images PARTS="judge mlflow stores")
	@$(PY) -m k8s.platform --env $(ENV) $(if $(WITH),--with $(WITH))

.PHONY: image
image: export REGISTRY ?=
image: setup  ## make the container image of SERVICE from its newest package: [REGISTRY=host/folder]
	@$(PY) -m services.image --spec $(SPEC) $${REGISTRY:+--name "$$REGISTRY/$(SERVICE)"}

.PHONY: sign
sign: export KEY ?=
sign: setup  ## sign the newest package of SERVICE, for its image: KEY=private-key.pem, or keyless in a workflow
	@$(PY) -m services.signing --spec $(SPEC) $${KEY:+--key "$$KEY"}

.PHONY: platform-images
platform-images: export REGISTRY ?=
platform-images: PARTS ?= judge mlflow stores components
platform-images: setup  ## make the images of the platform's own programs: [REGISTRY=host/folder] [PARTS="judge mlflow"]
	@for part in $(PARTS); do \
	  $(PY) -m services.image --component $$part $${REGISTRY:+--name "$$REGISTRY/$$part"} || exit 1; done

.PHONY: publish
publish: PART ?= $(SERVICE)
publish: export KEY ?=
publish: setup  ## push and sign the newest image of SERVICE, or each PART of the platform, to the registry of its name: [KEY=f]
	@for part in $(PART); do \
	  $(PY) -m services.image.publish --record build/images/$$part.json $${KEY:+--key "$$KEY"} || exit 1; done

.PHONY: publish-charts
publish-charts: export KEY ?=
publish-charts:  ## push and sign the charts: REGISTRY=host/folder [KEY=f]; needs helm and cosign
	@bash .ci/publish-charts

.PHONY: deploy
deploy: setup  ## bring SERVICE to the cluster as k8s/envs/ENV says; VERSION=N releases the newest image first
	@$(PY) -m k8s.deploy --spec $(SPEC) --env $(ENV) $(if $(VERSION),--version $(VERSION))

.PHONY: verify
verify: export HEADER ?=
verify: export URL ?=
verify: export PUBLIC_KEY ?=
verify: export MLFLOW ?=
verify: setup  ## follow SERVICE from an answer to its data: [URL=http://...|HEADER=sha256:...] [PUBLIC_KEY=f] [MLFLOW=uri] [EXCLUDE="run"]
	@$(PY) -m k8s.lineage --spec $(SPEC) --env $(ENV) $(if $(EXCLUDE),--exclude $(EXCLUDE)) \
	  $${URL:+--url "$$URL"} $${HEADER:+--header "$$HEADER"} $${PUBLIC_KEY:+--key "$$PUBLIC_KEY"} \
	  $${MLFLOW:+--mlflow "$$MLFLOW"}

.PHONY: replay
replay: RECORDS ?= build
replay: export MLFLOW ?=
replay: setup  ## make a version of SERVICE again from its receipt, without a network: VERSION=n [RECORDS=build/demo] [MLFLOW=uri]
	@$(PY) -m k8s.replay --service $(SERVICE) --version "$(VERSION)" --build $(RECORDS) $${MLFLOW:+--mlflow "$$MLFLOW"}

.PHONY: audit
audit: RECORDS ?= build
audit: export MLFLOW ?=
audit: setup  ## write the dossier of a version of SERVICE, or check it: VERSION=n [RECORDS=build/demo] [MLFLOW=uri] [CHECK=1]
	@$(PY) -m k8s.audit --service $(SERVICE) --version "$(VERSION)" --build $(RECORDS) \
	  $${MLFLOW:+--mlflow "$$MLFLOW"} $(if $(CHECK),--check)

.PHONY: render
render: setup  ## write what Flux applies anew, after a change of a chart, a spec or an environment
	@$(PY) -m k8s.platform.flux
	@$(PY) -m k8s.rendering.render

.PHONY: propose
propose: export REPOSITORY ?= $(shell git remote get-url origin)
propose: setup  ## train SERVICE, make its image, commit its release to staging: [REPOSITORY=url] [REGISTRY=host/folder] [MLFLOW=uri]
	@$(MAKE) train
	@$(MAKE) image
	@$(PY) -m k8s.release.propose --spec $(SPEC) --env staging --repository "$$REPOSITORY"

.PHONY: promote
promote: export REPOSITORY ?= $(shell git remote get-url origin)
promote: FROM ?= staging
promote: TO ?= production
promote: EVIDENCE ?= --namespace models
promote: setup  ## propose for TO what passed in FROM: FROM=staging TO=production REPOSITORY=url [EVIDENCE="--record f"]
	@$(PY) -m k8s.release.promote --service $(SERVICE) --from $(FROM) --to $(TO) --repository "$$REPOSITORY" $(EVIDENCE)

# --- what workflows call beside these (.github/workflows/README.md) --------------------------

.PHONY: tools
tools: TOOLS ?= actionlint cosign helm kubeconform promtool kind
tools:  ## programs that checks need beyond the environments, into build/tools: [TOOLS="helm kind"]
	@bash .ci/tools $(TOOLS)

.PHONY: require
require:  ## refuse when one of the settings that a workflow needs is empty: NAMES="MLFLOW REGISTRY"
	@bash .ci/require $(NAMES)

.PHONY: registry-login
registry-login: export REGISTRY ?=
registry-login:  ## have docker, cosign and helm be known to a registry of Google Cloud: REGISTRY=host/folder; needs gcloud
	@bash .ci/registry-login

.PHONY: release-version
release-version: export TAG ?=
release-version:  ## refuse a tag that is not the version of the project and of both charts: TAG=vX.Y.Z
	@bash .ci/release-version

.PHONY: trigger
trigger: setup  ## which services an event asks to train, and why: EVENT=push PAYLOAD=event.json
	@$(PY) -m pipelines.trigger --event "$(EVENT)" --payload "$(PAYLOAD)"

.PHONY: request
request: export REASON ?= somebody asked for it
request: setup  ## write the newest image of SERVICE as a release to ENV, and what its pull request says: [REASON=...]
	@$(PY) -m k8s.release.pull_request --spec $(SPEC) --env $(ENV) --reason "$$REASON" --out build/request

.PHONY: open-request
open-request:  ## open the pull request that request wrote; needs gh
	@bash .ci/open-request

.PHONY: merged
merged: setup  ## which releases a merge changed: PAYLOAD=event.json, or one: ONLY_ENV=staging ONLY_SERVICE=churn
	@$(PY) -m k8s.release.changed_releases --payload "$(PAYLOAD)" --env "$(ONLY_ENV)" --service "$(ONLY_SERVICE)"

.PHONY: follow
follow: setup  ## deploy SERVICE to ENV, wait for the rollout's end and write the verdict: COMMIT=id
	@$(PY) -m k8s.deploy.rollout_report --spec $(SPEC) --env $(ENV) --commit "$(COMMIT)" --out build/verdict

.PHONY: tell-verdict
tell-verdict: export COMMIT ?=
tell-verdict:  ## say what follow found as a check and a comment: COMMIT=id; needs gh
	@bash .ci/tell-verdict

.PHONY: tf-lock
tf-lock:  ## note which provider ENV takes, with its checksums, for a commit; again after a change of version
	@terraform -chdir=terraform/envs/$(ENV) providers lock \
	  -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_amd64 -platform=darwin_arm64
	@echo "commit terraform/envs/$(ENV)/.terraform.lock.hcl"

.PHONY: tf-plan
tf-plan: export STATE ?=
tf-plan:  ## plan what Terraform would change in ENV, and save it: STATE=bucket
	@mkdir -p build/terraform
	@bash .ci/tf-init "$(ENV)"
	@terraform -chdir=terraform/envs/$(ENV) plan -input=false -lock-timeout=5m -out=$(CURDIR)/build/terraform/$(ENV).tfplan

.PHONY: tf-keep
tf-keep: export STATE ?=
tf-keep:  ## keep the saved plan of ENV in the state's bucket, and say its digest: STATE=bucket COMMIT=id; needs gcloud
	@bash .ci/tf-saved keep "$(ENV)" "$(COMMIT)"

.PHONY: tf-fetch
tf-fetch: export STATE ?=
tf-fetch: export DIGEST ?=
tf-fetch:  ## fetch the plan of ENV that was kept: STATE=bucket COMMIT=id DIGEST=sha256; needs gcloud
	@bash .ci/tf-saved fetch "$(ENV)" "$(COMMIT)" "$$DIGEST"

.PHONY: tf-apply
tf-apply: export STATE ?=
tf-apply:  ## apply the plan of ENV that was saved, and nothing else: STATE=bucket
	@bash .ci/tf-init "$(ENV)"
	@terraform -chdir=terraform/envs/$(ENV) apply -input=false -lock-timeout=5m $(CURDIR)/build/terraform/$(ENV).tfplan

.PHONY: tf-handover
tf-handover: setup  ## bring what Terraform made of ENV to k8s/envs and to its cluster; needs gcloud, kubectl and helm
	@$(PY) -m terraform.hand_over --env $(ENV)
	@$(MAKE) render

.PHONY: tf-destroy
tf-destroy: export STATE ?=
tf-destroy: setup  ## take ENV away, and before it what its cluster's controllers made: STATE=bucket
	@bash .ci/tf-init "$(ENV)"
	@$(PY) -m terraform.drain --env $(ENV)
	@terraform -chdir=terraform/envs/$(ENV) apply -var deletion_protection=false
	@terraform -chdir=terraform/envs/$(ENV) destroy -var deletion_protection=false

.PHONY: ui
ui: RUNS ?= $(shell ls -t build/mlflow/mlflow.db build/demo/mlflow/mlflow.db 2>/dev/null | head -1)
ui: setup  ## open the experiment tracker (MLflow) on the newest runs, of train or of demo: [RUNS=build/demo/mlflow/mlflow.db]
	@test -f "$(RUNS)" || { echo "there are no runs to show$(RUNS:%= in %): make train or make demo makes some" >&2; exit 2; }
	@echo "the runs in $(RUNS):"
	@MLFLOW_DISABLE_TELEMETRY=true $(PY) -m mlflow ui --backend-store-uri sqlite:///$(RUNS) --host 127.0.0.1

# --- proofs ---------------------------------------------------------------------

.PHONY: test
test: setup  ## the default tests
	@$(PY) -m pytest -n 2 --dist worksteal -m "not slow and not e2e and not charts and not images"

.PHONY: test-busy
test-busy: setup  ## the default tests beside ten busy loops, with ten times the patience
	@$(PY) -m tests.busy_machine $(MAKE) test

.PHONY: test-slow
test-slow: setup  ## the tests that take longer than ten seconds each
	@$(PY) -m pytest -m slow

.PHONY: test-charts
test-charts: setup  ## the tests of charts and manifests; needs helm, kubeconform and promtool on the PATH
	@$(PY) -m pytest -m charts

.PHONY: test-images
test-images: setup  ## the tests that build container images; needs docker, podman or buildah
	@$(PY) -m pytest -m images

.PHONY: e2e
e2e: setup  ## the whole way on the cluster, after `make demo`, whose packages and decisions it takes; PART=rollouts
	@$(PY) -m pytest -p no:randomly -m e2e tests/e2e$(if $(PART),/test_$(PART).py)

.PHONY: e2e-list
e2e-list:  ## the parts of e2e, as a workflow's output
	@ls tests/e2e/test_*.py | sed 's,.*/test_,,; s,\.py$$,,' | jq --raw-input . | jq --slurp --compact-output . | sed 's/^/parts=/'

.PHONY: check
check: export STRICT ?=
check: setup  ## lint, format, types, workflows, charts, Terraform, what Flux applies; what cannot run is named, and with STRICT=1 refused
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy components pipelines services k8s terraform tests
	@bash .ci/lint
	@$(PY) -m k8s.rendering.render --check

.PHONY: tf-check
tf-check: setup  ## the checks of Terraform; what cannot run is named, and with STRICT=1 refused
	@$(PY) -m terraform.check

.PHONY: tf-documents
tf-documents: setup  ## write the READMEs of Terraform's modules from their variables, outputs and examples
	@$(PY) -m terraform.documents

.PHONY: costs
costs: setup  ## what each environment costs a month, by pool
	@$(PY) -m terraform.costs

.PHONY: bench
bench: setup  ## us and the peers on one model of SERVICE's table, interleaved, as ratios
	@$(PY) -m k8s.twin.supervise -- $(PY) -m tests.load.bench --spec $(SPEC)

.PHONY: simulate
simulate: setup  ## the judge over thousands of simulated rollouts
	@$(PY) -m services.judge.simulate

.PHONY: clean
clean:  ## remove what was built (the environments stay: remove .venv and .venv-server by hand)
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
