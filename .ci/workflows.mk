# Targets that only the workflows in .github/workflows call. The Makefile includes this file, and its comments explain
# how `make help-workflows` lists the targets.

##@ Any workflow

.PHONY: require
require:  ## fail if a setting that the workflow needs is empty  ## NAMES="MLFLOW REGISTRY"
	@bash .ci/require $(NAMES)

.PHONY: registry-login
registry-login: export REGISTRY ?=
registry-login:  ## log docker, cosign and helm in to a Google Cloud registry  ## REGISTRY=host/folder
	@bash .ci/registry-login

##@ Training and releases

.PHONY: trigger
trigger: setup  ## print which services an event retrains, and why  ## EVENT=push PAYLOAD=event.json
	@$(PY) -m pipelines.trigger --event "$(EVENT)" --payload "$(PAYLOAD)"

.PHONY: train-there
train-there: setup  ## train on the cluster, and bring the version here  ## STORE=gs://... [SERVICE=] [REGISTRY=] [SERVICE_ACCOUNT=]
	@$(PY) -m k8s.cluster.tunnel KFP_ENDPOINT=kubeflow/ml-pipeline:8888 -- $(MAKE) submit
	@$(PY) -m k8s.cluster.tunnel MLFLOW=canario/mlflow:80 -- $(MAKE) fetch VERSION=challenger

.PHONY: open-request
open-request:  ## open the pull request that `make request` wrote, with gh
	@bash .ci/open-request

.PHONY: release-version
release-version: export TAG ?=
release-version:  ## refuse a tag that differs from the project's version  ## TAG=vX.Y.Z
	@bash .ci/release-version

.PHONY: publish-charts
publish-charts: export KEY ?=
publish-charts:  ## push and sign the charts with helm and cosign  ## REGISTRY=host/folder [KEY=file]
	@bash .ci/publish-charts

##@ Deployments

.PHONY: merged
merged: setup  ## print the releases that a merge changed, or the one named  ## PAYLOAD=event.json [ONLY_ENV=staging] [ONLY_SERVICE=churn]
	@$(PY) -m k8s.release.changed_releases --payload "$(PAYLOAD)" --env "$(ONLY_ENV)" --service "$(ONLY_SERVICE)"

.PHONY: follow
follow: setup  ## deploy, wait for the rollout to end and write the verdict  ## ENV=staging COMMIT=id [SERVICE=]
	@$(PY) -m k8s.deploy.rollout_report --spec $(SPEC) --env $(ENV) --commit "$(COMMIT)" --out build/verdict

.PHONY: tell-verdict
tell-verdict: export COMMIT ?=
tell-verdict:  ## publish follow's verdict as a check and a comment, with gh  ## COMMIT=id
	@bash .ci/tell-verdict

##@ Terraform, with gcloud

.PHONY: tf-keep
tf-keep: export STATE ?=
tf-keep:  ## keep the saved plan in the state bucket, print its digest  ## ENV=staging STATE=bucket COMMIT=id
	@bash .ci/tf-saved keep "$(ENV)" "$(COMMIT)"

.PHONY: tf-fetch
tf-fetch: export STATE ?=
tf-fetch: export DIGEST ?=
tf-fetch:  ## fetch the plan that was kept  ## ENV=staging STATE=bucket COMMIT=id DIGEST=sha256
	@bash .ci/tf-saved fetch "$(ENV)" "$(COMMIT)" "$$DIGEST"

##@ Tests

.PHONY: e2e-list
e2e-list:  ## list the parts of e2e as a workflow's output
	@ls tests/e2e/test_*.py | sed 's,.*/test_,,; s,\.py$$,,' | jq --raw-input . | jq --slurp --compact-output . | sed 's/^/parts=/'

.PHONY: kind-registry
kind-registry:  ## let this machine find kind's registry, print its settings
	@$(PY) -c 'from k8s.cluster.kind_registry import HOST; print("127.0.0.1", HOST)' | sudo tee -a /etc/hosts >/dev/null
	@$(PY) -c 'from k8s.cluster.kind_registry import SETTINGS; print(*SETTINGS, sep="\n")'
