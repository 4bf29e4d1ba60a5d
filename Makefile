# Everything is driven from here; `make` alone lists the targets.
# A target that needs the project's environment sets it up first, from the lock files.
#
# `make help` reads the comments: `##@` is a heading, `##=` describes a variable, and a target's line is
# `target: ...  ## explanation  ## variables`, with optional variables in brackets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The folder of this file, for `make -f` from another folder; its path may have blanks in it.
BLANK := $(subst ,, )
HERE := $(shell dirname "$(strip $(MAKEFILE_LIST))")/

##= SERVICE=churn       the model: a folder in services/
SERVICE ?= churn
##= FAULT=wrong-unit    errors|slow|wrong-unit|worse|swapped-classes|under-load|lossy|shuffled-labels|none
FAULT ?= wrong-unit
##= ENV=local           the environment: a folder in k8s/envs/
ENV ?= local
##= POOLS=canario       whose labels node pools have: canario|gke|eks|aks
POOLS ?= canario
PYTHON := $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
UV = $(shell command -v uv || echo .venv/bin/uv)
SPEC := services/$(SERVICE)/service.yaml

# Programs that run here must not need the network, see another project, or leave bytecode of an older tree behind.
export PYTHONPATH := $(CURDIR)
export PATH := $(CURDIR)/build/tools:$(PATH)
unexport VIRTUAL_ENV PYTHONHOME

##@ Start here

.PHONY: help
help:  ## list these targets
	@awk -f "$(HERE).ci/help" "$(HERE)Makefile"

.PHONY: demo
demo: setup  ## train, serve, break and roll back a model on this machine  ## [SERVICE=] [FAULT=]
	@$(PY) -m k8s.twin.supervise -- $(PY) -m k8s.twin.demo --spec $(SPEC) --fault $(FAULT)

.PHONY: new
new: export NAME ?=
new: export DATA ?=
new: export TARGET ?=
new: export POSITIVE ?=
new: export TASK ?=
new: export TRAFFIC ?=
new: export LABEL_DELAY ?=
new: setup  ## write a first spec for a table  ## NAME=loans DATA=table.csv TARGET=Default [POSITIVE=Yes] [TASK=regression] [TRAFFIC=low] [LABEL_DELAY=5m]
	@$(PY) -m components.profile --name "$$NAME" --data "$$DATA" --target "$$TARGET" $${POSITIVE:+--positive "$$POSITIVE"} \
	  $${TASK:+--task "$$TASK"} \
	  $${TRAFFIC:+--traffic "$$TRAFFIC"} $${LABEL_DELAY:+--label-delay "$$LABEL_DELAY"}

.PHONY: ui
ui: RUNS ?= $(shell ls -t build/mlflow/mlflow.db build/demo/mlflow/mlflow.db 2>/dev/null | head -1)
ui: export PORT ?=
ui: setup  ## open MLflow on the newest runs of train or demo  ## [RUNS=path/to/mlflow.db] [PORT=5000]
	@test -f "$(RUNS)" || { echo "there are no runs to show$(RUNS:%= in %): make train or make demo makes some" >&2; exit 2; }
	@port=$$($(PY) -m k8s.twin.free_port --name "make ui" --usual 5000 $${PORT:+--port "$$PORT"}); \
	echo "the runs in $(RUNS), at http://127.0.0.1:$$port"; \
	MLFLOW_DISABLE_TELEMETRY=true $(PY) -m mlflow ui --backend-store-uri sqlite:///$(RUNS) --host 127.0.0.1 --port $$port

##@ One model on this machine

.PHONY: train
train: export MLFLOW ?=
train: export STORE ?=
train: setup  ## train, evaluate, package and register a model  ## [SERVICE=] [MLFLOW=uri] [STORE=s3://...]
	@$(PY) -m pipelines.local --spec $(SPEC) --home build/train/$(SERVICE) $${MLFLOW:+--mlflow "$$MLFLOW"} \
	  $${STORE:+--store "$$STORE"}

.PHONY: fetch
fetch: export MLFLOW ?=
fetch: export STORE ?=
fetch: setup  ## bring a version here, wherever it was trained  ## VERSION=n [SERVICE=] [MLFLOW=uri] [STORE=s3://...]
	@$(PY) -m pipelines.fetch --spec $(SPEC) --home build/train/$(SERVICE) --version "$(VERSION)" \
	  $${MLFLOW:+--mlflow "$$MLFLOW"} $${STORE:+--store "$$STORE"}

.PHONY: serve
serve: export PORT ?=
serve: setup  ## serve the newest package behind the gateway  ## [SERVICE=] [PORT=8080]
	@port=$$($(PY) -m k8s.twin.free_port --name "make serve" --usual 8080 $${PORT:+--port "$$PORT"}); \
	$(PY) -m k8s.twin.supervise -- $(PY) -m k8s.twin.serve --spec $(SPEC) --port $$port

.PHONY: load
load: export URL ?=
load: export CA ?=
load: setup  ## load a service and check its latency budget  ## [SERVICE=] [URL=url] [CA=f]
	@$(PY) -m k8s.twin.supervise -- $(PY) -m tests.load.budget --spec $(SPEC) $${URL:+--url "$$URL"} $${CA:+--ca "$$CA"}

.PHONY: plan
plan: export RATE ?=
plan: export LABELLED ?=
plan: export LABEL_DELAY ?=
plan: export COUNTERS ?=
plan: export TRAFFIC ?=
plan: setup  ## tell what a rollout will need: requests, time, exposure  ## RATE=2 [SERVICE=] [LABELLED=0.5] [LABEL_DELAY=5m] [COUNTERS=file|url] [TRAFFIC=low]
	@$(PY) -m services.judge.plan --spec $(SPEC) --rate "$$RATE" $${LABELLED:+--labelled "$$LABELLED"} \
	  $${LABEL_DELAY:+--label-delay "$$LABEL_DELAY"} $${COUNTERS:+--counters "$$COUNTERS"} $${TRAFFIC:+--traffic "$$TRAFFIC"}

NEEDS_VERSION = test -n "$(VERSION)" || { \
  echo "make $@: name the version, as in \`make $@ SERVICE=$(SERVICE) VERSION=1\`; \`make ui\` lists them" >&2; exit 2; }

.PHONY: replay
replay: RECORDS ?= build
replay: export MLFLOW ?=
replay: setup  ## rebuild a version from its receipt, without a network  ## VERSION=n [SERVICE=] [RECORDS=build/demo] [MLFLOW=uri]
	@$(NEEDS_VERSION)
	@$(PY) -m k8s.replay --service $(SERVICE) --version "$(VERSION)" --build $(RECORDS) $${MLFLOW:+--mlflow "$$MLFLOW"}

.PHONY: audit
audit: RECORDS ?= build
audit: export MLFLOW ?=
audit: setup  ## write a version's dossier, or check it  ## VERSION=n [SERVICE=] [RECORDS=build/demo] [MLFLOW=uri] [CHECK=1]
	@$(NEEDS_VERSION)
	@$(PY) -m k8s.audit --service $(SERVICE) --version "$(VERSION)" --build $(RECORDS) \
	  $${MLFLOW:+--mlflow "$$MLFLOW"} $(if $(CHECK),--check)

##@ Kubeflow Pipelines

.PHONY: compile
compile: export POOLS := $(POOLS)
compile: setup  ## write the pipeline as a file  ## [SERVICE=] [POOLS=]
	@$(PY) -m pipelines.compile --spec $(SPEC) --output build/$(SERVICE)-pipeline.yaml --pools "$$POOLS"

# An environment to release to is one of the command line; the default of ENV is for other targets.
submit schedule: export POOLS := $(POOLS)
submit schedule: export RELEASE_TO := $(if $(filter command,$(origin ENV)),$(ENV))
submit schedule: export REPOSITORY ?= $(if $(RELEASE_TO),$(shell git remote get-url origin))
KFP_OPTIONS = $${STORE:+--store "$$STORE"} $${DATA:+--data "$$DATA"} $${MLFLOW:+--mlflow "$$MLFLOW"} \
  $${IMAGE:+--image "$$IMAGE"} $${ROOT:+--root "$$ROOT"} $${NAMESPACE:+--namespace "$$NAMESPACE"} \
  $${SERVICE_ACCOUNT:+--service-account "$$SERVICE_ACCOUNT"} $${STORE_ENDPOINT:+--store-endpoint "$$STORE_ENDPOINT"} \
  $${STORE_SECRET:+--secret "store=$$STORE_SECRET"} $${MLFLOW_SECRET:+--secret "mlflow=$$MLFLOW_SECRET"} \
  $${GIT_SECRET:+--secret "git=$$GIT_SECRET"} $${REGISTRY_SECRET:+--secret "registry=$$REGISTRY_SECRET"} \
  $${SIGNING_SECRET:+--secret "signing=$$SIGNING_SECRET"} --pools "$$POOLS" \
  $${REGISTRY:+--images "$$REGISTRY"} $${RELEASE_TO:+--env "$$RELEASE_TO" --environment "$$REPOSITORY"} \
  $${QUEUE:+--queue "$$QUEUE"}

.PHONY: submit
submit: setup  ## run the pipeline and follow it to its end  ## STORE=s3://... [SERVICE=] [DATA=file|url] [ENV=staging] [REGISTRY=host/folder] [REPOSITORY=url] [MLFLOW=uri] [IMAGE=name:tag] [ROOT=s3://...] [NAMESPACE=] [SERVICE_ACCOUNT=] [POOLS=] [STORE_ENDPOINT=url] [STORE_SECRET=] [MLFLOW_SECRET=] [GIT_SECRET=] [REGISTRY_SECRET=] [SIGNING_SECRET=] [QUEUE=] [NAME=] [TERMINATE=1]
	@$(PY) -m pipelines.submit --spec $(SPEC) $(KFP_OPTIONS) $${NAME:+--name "$$NAME"} \
	  $(if $(TERMINATE),--terminate-on-interrupt)

.PHONY: schedule
schedule: setup  ## show, make or remove the recurring run; as submit, and:  ## [SERVICE=] [CRON="0 3 * * *"] [REMOVE=1]
	@$(PY) -m pipelines.schedule --spec $(SPEC) $(KFP_OPTIONS) $${CRON:+--cron "$$CRON"} $(if $(REMOVE),--remove)

.PHONY: rights
rights: export ACCOUNT ?=
rights: export CALLER ?=
rights: setup  ## write the rights of runs with workers, or a CALLER  ## NAMESPACE=kubeflow [ACCOUNT=pipeline-runner] [CALLER=e-mail]
	@$(PY) -m k8s.training --namespace "$(NAMESPACE)" $${ACCOUNT:+--account "$$ACCOUNT"} $${CALLER:+--caller "$$CALLER"}

##@ Images

.PHONY: image
image: export REGISTRY ?=
image: setup  ## put the newest package, or VERSION's, on the server's image  ## [SERVICE=] [REGISTRY=host/folder] [VERSION=n]
	@$(if $(VERSION),$(MAKE) fetch)
	@$(PY) -m services.image --spec $(SPEC) $${REGISTRY:+--name "$$REGISTRY/$(SERVICE)"}

.PHONY: sign
sign: export KEY ?=
sign: setup  ## sign the newest package or VERSION's for ENV  ## [SERVICE=] [ENV=] [KEY=file] [VERSION=n]
	@$(if $(VERSION),$(MAKE) fetch)
	@$(PY) -m services.signing --spec $(SPEC) --env $(ENV) $${KEY:+--key "$$KEY"}

.PHONY: platform-images
platform-images: export REGISTRY ?=
platform-images: PARTS ?= server judge mlflow stores components
platform-images: setup  ## build the images of the platform's own programs  ## [REGISTRY=host/folder] [PARTS="judge mlflow"]
	@for part in $(PARTS); do \
	  $(PY) -m services.image --component $$part $${REGISTRY:+--name "$$REGISTRY/$$part"} || exit 1; done

.PHONY: publish
publish: PART ?= $(SERVICE)
publish: export KEY ?=
publish: setup  ## push and sign the newest images, or VERSION's  ## [SERVICE=] [ENV=] [PART="judge mlflow churn"] [KEY=file] [VERSION=n]
	@$(if $(VERSION),$(MAKE) image)
	@for part in $(PART); do \
	  $(PY) -m services.image.publish --record build/images/$$part.json --env $(ENV) $${KEY:+--key "$$KEY"} && \
	  $(PY) -m k8s.platform.pins --env $(ENV) --record build/images/$$part.json || exit 1; done

##@ A cluster, the one that KUBECONFIG names

.PHONY: cluster
cluster: setup  ## create a local cluster of two nodes with kind and docker
	@$(PY) -m k8s.cluster

.PHONY: platform
platform: export ADMIT ?=
platform: setup  ## install what the cluster lacks: controllers, judge, MLflow  ## [ENV=] [WITH="flux keda"] [ADMIT=host/folder]
	@$(if $(filter local,$(ENV)),$(MAKE) platform-images REGISTRY= PARTS="judge mlflow stores")
	@$(PY) -m k8s.platform --env $(ENV) $(if $(WITH),--with $(WITH)) $${ADMIT:+--admit "$$ADMIT"}

.PHONY: platform-upgrade
platform-upgrade: export ADMIT ?=
platform-upgrade: export BACKUP ?=
platform-upgrade: setup  ## upgrade what is there, while models go on serving  ## [ENV=] [PLAN=1] [SKIP="traefik"] [BACKUP=id] [REDIRECT=1] [WITH=] [ADMIT=]
	@$(if $(PLAN),,$(if $(filter local,$(ENV)),$(MAKE) platform-images REGISTRY= PARTS="judge mlflow stores"))
	@$(PY) -m k8s.upgrade --env $(ENV) $(if $(WITH),--with $(WITH)) $${ADMIT:+--admit "$$ADMIT"} $(if $(SKIP),--skip $(SKIP)) \
	  $${BACKUP:+--backup "$$BACKUP"} $(if $(REDIRECT),--redirect) $(if $(PLAN),--plan)

.PHONY: backup
backup: setup  ## save what MLflow keeps in the cluster  ## [ENV=] [OUT=folder]
	@$(PY) -m k8s.backup --env $(ENV) $(if $(OUT),--out "$(OUT)")

.PHONY: restore
restore: setup  ## bring a backup back, and compare the registry  ## FROM=build/backup/local/... [ENV=]
	@$(PY) -m k8s.backup --env $(ENV) --restore "$(FROM)"

.PHONY: deploy
deploy: setup  ## deploy a service; VERSION releases its newest image first  ## [SERVICE=] [ENV=] [VERSION=n]
	@$(PY) -m k8s.deploy --spec $(SPEC) --env $(ENV) $(if $(VERSION),--version $(VERSION))

.PHONY: alert-test
alert-test: export PROMETHEUS ?=
alert-test: export ALERTMANAGER ?=
alert-test: setup  ## send a test alert to whoever is told in ENV  ## [ENV=] [PROMETHEUS=ns/service:port] [ALERTMANAGER=]
	@$(PY) -m k8s.alerts --env $(ENV) $${PROMETHEUS:+--prometheus "$$PROMETHEUS"} $${ALERTMANAGER:+--alertmanager "$$ALERTMANAGER"}

.PHONY: break-glass
break-glass: export REASON ?=
break-glass: setup  ## let unsigned images in, with a trace; MEND=1 ends that  ## REASON="why" [NAMESPACE=models] [MEND=1]
	@$(PY) -m k8s.cluster.glass --namespace "$(or $(NAMESPACE),models)" $(if $(MEND),--mend,--reason "$$REASON")

.PHONY: verify
verify: export HEADER ?=
verify: export URL ?=
verify: export CA ?=
verify: export PUBLIC_KEY ?=
verify: export MLFLOW ?=
verify: export STORE ?=
verify: setup  ## trace an answer of a service back to its data  ## [SERVICE=] [ENV=] [URL=url|HEADER=sha256:...] [CA=f] [PUBLIC_KEY=f] [MLFLOW=uri] [STORE=uri] [VERSION=n] [EXCLUDE="run"]
	@$(if $(VERSION),$(MAKE) fetch)
	@$(PY) -m k8s.lineage --spec $(SPEC) --env $(ENV) $(if $(EXCLUDE),--exclude $(EXCLUDE)) \
	  $${URL:+--url "$$URL"} $${CA:+--ca "$$CA"} $${HEADER:+--header "$$HEADER"} $${PUBLIC_KEY:+--key "$$PUBLIC_KEY"} \
	  $${MLFLOW:+--mlflow "$$MLFLOW"} $${STORE:+--store "$$STORE"}

##@ Releases through Git

.PHONY: render
render: setup  ## rewrite the manifests that Flux applies, of ENV or all  ## [ENV=staging]
	@$(PY) -m k8s.platform.flux
	@$(PY) -m k8s.rendering.render $(if $(filter command,$(origin ENV)),--env $(ENV))

.PHONY: propose
propose: export REPOSITORY ?= $(shell git remote get-url origin)
propose: setup  ## train, build an image, commit its release to staging  ## [SERVICE=] [REPOSITORY=url] [REGISTRY=host/folder] [MLFLOW=uri] [VERSION=n]
	@$(MAKE) $(if $(VERSION),fetch,train)
	@$(MAKE) image
	@$(PY) -m k8s.release.propose --spec $(SPEC) --env staging --repository "$$REPOSITORY"

.PHONY: request
request: export REASON ?= somebody asked for it
request: setup  ## write the newest image as a release, with its pull request  ## ENV=staging [SERVICE=] [REASON=text] [VERSION=n]
	@$(if $(VERSION),$(MAKE) fetch)
	@$(PY) -m k8s.release.pull_request --spec $(SPEC) --env $(ENV) --reason "$$REASON" --out build/request

.PHONY: promote
promote: export REPOSITORY ?= $(shell git remote get-url origin)
promote: FROM ?= staging
promote: TO ?= production
promote: EVIDENCE ?= --namespace models
promote: export KEY ?=
promote: setup  ## propose for TO the release that passed in FROM  ## [SERVICE=] [FROM=staging] [TO=production] [REPOSITORY=url] [KEY=file] [EVIDENCE="--record f"]
	@$(PY) -m k8s.release.promote --service $(SERVICE) --from $(FROM) --to $(TO) --repository "$$REPOSITORY" $(EVIDENCE) \
	  $${KEY:+--key "$$KEY"}

##@ Terraform on Google Cloud

.PHONY: tf-check
tf-check: setup  ## check format, rules and tests; STRICT allows no skips  ## [STRICT=1]
	@$(PY) -m terraform.check

.PHONY: tf-prepare
tf-prepare: export STATE ?=
tf-prepare:  ## make the bucket of the state and the database's password  ## ENV=staging STATE=bucket
	@bash .ci/tf-prepare "$(ENV)"

.PHONY: tf-lock
tf-lock:  ## write the provider lock file; rerun after a version change  ## ENV=staging
	@terraform -chdir=terraform/envs/$(ENV) providers lock \
	  -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_amd64 -platform=darwin_arm64
	@echo "commit terraform/envs/$(ENV)/.terraform.lock.hcl"

.PHONY: tf-plan
tf-plan: export STATE ?=
tf-plan: export TF_VAR_state ?= $(STATE)
tf-plan:  ## plan the changes and save the plan  ## ENV=staging STATE=bucket
	@mkdir -p build/terraform
	@bash .ci/tf-init "$(ENV)"
	@. .ci/tf-secrets "$(ENV)" && terraform -chdir=terraform/envs/$(ENV) plan -input=false -lock-timeout=5m -out=$(CURDIR)/build/terraform/$(ENV).tfplan

.PHONY: tf-apply
tf-apply: export STATE ?=
tf-apply:  ## apply the saved plan and nothing else  ## ENV=staging STATE=bucket
	@bash .ci/tf-init "$(ENV)"
	@. .ci/tf-secrets "$(ENV)" && terraform -chdir=terraform/envs/$(ENV) apply -input=false -lock-timeout=5m $(CURDIR)/build/terraform/$(ENV).tfplan

.PHONY: tf-handover
tf-handover: setup  ## pass Terraform's outputs on to k8s/envs and the cluster  ## ENV=staging
	@$(PY) -m terraform.hand_over --env $(ENV)
	@$(PY) -m k8s.rendering.render --signers --env $(ENV)

.PHONY: tf-destroy
tf-destroy: export STATE ?=
tf-destroy: export TF_VAR_state ?= $(STATE)
tf-destroy: setup  ## destroy what the controllers made, then the environment  ## ENV=staging STATE=bucket
	@bash .ci/tf-init "$(ENV)"
	@$(PY) -m terraform.drain --env $(ENV)
	@. .ci/tf-secrets "$(ENV)" && for step in apply destroy; do \
	  terraform -chdir=terraform/envs/$(ENV) $$step -var deletion_protection=false || exit 1; done

.PHONY: cloud-dry-run
cloud-dry-run: setup  ## walk README's way to a cloud, against written answers
	@$(PY) -m terraform.dry_run

.PHONY: tf-documents
tf-documents: setup  ## write the modules' READMEs
	@$(PY) -m terraform.documents

.PHONY: costs
costs: setup  ## list what each environment costs a month, by pool
	@$(PY) -m terraform.costs

##@ Checks and measurements

.PHONY: check
check: export STRICT ?=
check: setup  ## check style, types and manifests; STRICT allows no skips  ## [STRICT=1]
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy components pipelines services k8s terraform tests
	@bash .ci/lint
	@$(PY) -m k8s.rendering.render --check

.PHONY: test
test: setup  ## run the default tests
	@$(PY) -m pytest -n 2 --dist worksteal -m "not slow and not e2e and not charts and not images"

.PHONY: test-busy
test-busy: setup  ## run the default tests beside ten busy loops, with patience
	@$(PY) -m tests.busy_machine $(MAKE) test

.PHONY: test-slow
test-slow: setup  ## run the tests that take more than ten seconds each
	@$(PY) -m pytest -m slow

.PHONY: test-charts
test-charts: setup  ## test charts and manifests with helm, kubeconform, promtool
	@$(PY) -m pytest -m charts

.PHONY: test-images
test-images: setup  ## test image builds with docker, podman or buildah
	@$(PY) -m pytest -m images

.PHONY: e2e
e2e: export REGISTRY ?=
e2e: setup  ## test on the cluster what `make demo` made; run that first  ## REGISTRY=host/folder [PART=rollouts]
	@$(PY) -m pytest -p no:randomly -m e2e tests/e2e$(if $(PART),/test_$(PART).py)

.PHONY: bench
bench: setup  ## compare our server with its peers on one model  ## [SERVICE=]
	@$(PY) -m k8s.twin.supervise -- $(PY) -m tests.load.bench --spec $(SPEC)

.PHONY: bench-image
bench-image: setup  ## time a model's image as a layer, beside an engine's  ## [PACKAGES="folder folder"]
	@$(PY) -m k8s.twin.supervise -- $(PY) -m tests.load.image $(if $(PACKAGES),--packages $(PACKAGES))

.PHONY: simulate
simulate: setup  ## run the judge on thousands of simulated rollouts  ## [SHORT=1]
	@$(PY) -m services.judge.simulate $(if $(SHORT),--short)

##@ Housekeeping

.PHONY: setup
setup: .venv/ready .venv-server/ready  ## install the locked packages; other targets do so when needed

.venv/ready: requirements.txt
	@bash .ci/environment .venv $< "$(PYTHON)"
.venv-server/ready: services/model_server/requirements.txt .venv/ready
	@bash .ci/environment .venv-server $< "$(PYTHON)"

.PHONY: lock
lock: .venv/ready  ## update the lock files from pyproject.toml
	$(UV) pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-header pyproject.toml --group dev -o requirements.txt
	for lock in server:services/model_server/requirements.txt judge:services/judge/requirements.txt \
	  steps-cpu:components/locks/cpu.txt steps-cuda:components/locks/cuda.txt steps-tpu:components/locks/tpu.txt \
	  load:tests/load/requirements.txt \
	  mlflow:services/image/locks/mlflow.txt stores:services/image/locks/stores.txt \
	  go:services/image/locks/go.txt; do \
	  $(UV) pip compile -q --python-version 3.11 --generate-hashes --no-header --group $${lock%%:*} \
	    -c requirements.txt -o $${lock##*:}; \
	done

.PHONY: tools
tools: TOOLS ?= actionlint cosign helm kubeconform promtool kind
tools:  ## download the programs that checks need into build/tools  ## [TOOLS="helm kind"]
	@bash .ci/tools $(TOOLS)

.PHONY: clean
clean:  ## remove what was built, except .venv and .venv-server
	rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

.PHONY: help-workflows
help-workflows:  ## list the targets that only workflows call
	@awk -f "$(HERE).ci/help" "$(HERE).ci/workflows.mk"

include $(subst $(BLANK),\ ,$(HERE)).ci/workflows.mk
