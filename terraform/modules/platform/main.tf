# Everything that one environment needs of Google Cloud. Environments differ only in the variables.
locals {
  name = "canario-${var.environment}"
  # Kyverno's own service account, which needs no annotation so: it looks for the signatures of images.
  kyverno = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${module.cluster.workload_pool}/subject/ns/kyverno/sa/kyverno-admission-controller"
  # Environments on GitHub, by the purpose of the account; see .github/workflows/README.md.
  github_environments = {
    training = "training"
    release  = "release"
    deploy   = var.environment
    plan     = "${var.environment}-plan"
    apply    = "${var.environment}-apply"
  }
}

# Its number names the cluster's service accounts to IAM.
data "google_project" "this" {
  project_id = var.project
}

module "network" {
  source  = "../network"
  project = var.project
  region  = var.region
  name    = local.name
}

# A reference to a module's output means: made after it, and destroyed before it. So pools go before their cluster, and
# cluster and database before the network.
module "cluster" {
  source              = "../cluster"
  project             = var.project
  region              = var.region
  name                = local.name
  network             = module.network.network
  subnetwork          = module.network.subnetwork
  control_plane       = var.control_plane
  labels              = { application = "canario", environment = var.environment }
  deletion_protection = var.deletion_protection
}

module "pool" {
  source          = "../node-pool"
  for_each        = var.pools
  project         = var.project
  region          = var.region
  name            = each.key
  cluster         = module.cluster.name
  service_account = module.cluster.nodes_account
  nodes           = each.value.nodes
  gpu             = each.value.gpu
  tpu             = each.value.tpu
}

module "artifact_store" {
  source              = "../artifact-store"
  project             = var.project
  region              = var.region
  name                = "${local.name}-artifacts"
  deletion_protection = var.deletion_protection
}

module "registry" {
  source              = "../registry"
  project             = var.project
  region              = var.region
  name                = local.name
  readers             = { kyverno = local.kyverno }
  deletion_protection = var.deletion_protection
}

module "signing_key" {
  source   = "../signing-key"
  project  = var.project
  region   = var.region
  name     = local.name
  versions = var.signing.versions
  signers  = var.signing.signers
}

module "database" {
  source              = "../database"
  project             = var.project
  region              = var.region
  name                = local.name
  network             = module.network.network
  password            = var.database_password
  password_version    = var.database_password_version
  instance            = var.database
  deletion_protection = var.deletion_protection
}

module "mlflow_identity" {
  source        = "../workload-identity"
  project       = var.project
  name          = "${local.name}-mlflow"
  workload_pool = module.cluster.workload_pool
  workload      = { namespace = "canario", service_account = "mlflow" }
  buckets       = { (module.artifact_store.name) = "roles/storage.objectUser" }
}

# What steps of a training are in the cloud: the account that `make submit SERVICE_ACCOUNT=trainer` names.
module "steps_identity" {
  source        = "../workload-identity"
  project       = var.project
  name          = "${local.name}-steps"
  workload_pool = module.cluster.workload_pool
  workload      = { namespace = "kubeflow", service_account = "trainer" }
  buckets       = { (module.artifact_store.name) = "roles/storage.objectUser" }
}

module "github" {
  source            = "../github"
  count             = var.workflows == null ? 0 : 1
  project           = var.project
  name              = local.name
  github_repository = var.workflows.repository
  environments      = { for purpose in var.workflows.purposes : purpose => local.github_environments[purpose] }
  artifacts         = module.artifact_store.name
  registry          = { repositories = module.registry.repositories, location = var.region }
  state             = var.workflows.state
  state_prefix      = "canario/${var.environment}"
  password_secret   = "${local.name}-database"
  signing_key       = module.signing_key.id
}

module "handover" {
  source     = "../handover"
  cluster    = { name = module.cluster.name, location = module.cluster.location, account = var.project }
  repository = module.registry.repository
  signatures = module.registry.signatures
  signers    = module.signing_key.signers
  pools      = keys(module.pool)
  database   = { address = module.database.address, secret = "${local.name}-database" }
  workflows  = try(module.github[0].variables, {})
  mlflow = {
    artifacts   = "gs://${module.artifact_store.name}/mlflow"
    annotations = module.mlflow_identity.annotations
  }
}
