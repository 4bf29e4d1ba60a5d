# Everything that one environment needs of Google Cloud. Environments differ in the variables only.
locals {
  name = "canario-${var.environment}"
}

module "network" {
  source  = "../network"
  project = var.project
  region  = var.region
  name    = local.name
}

# The network goes last: nothing of the cluster's may still be in it.
module "cluster" {
  source              = "../cluster"
  project             = var.project
  region              = var.region
  name                = local.name
  network             = module.network.network
  subnetwork          = module.network.subnetwork
  control_plane       = { callers = var.control_plane_callers }
  deletion_protection = var.deletion_protection
}

resource "google_service_account" "nodes" {
  project      = var.project
  account_id   = "${local.name}-nodes"
  display_name = "Nodes of ${local.name}"
}

# What a node's agents do: write logs and metrics, pull images.
resource "google_project_iam_member" "nodes" {
  for_each = toset(["roles/container.defaultNodeServiceAccount", "roles/artifactregistry.reader"])
  project  = var.project
  role     = each.key
  member   = google_service_account.nodes.member
}

module "pool" {
  source          = "../node-pool"
  for_each        = var.pools
  project         = var.project
  region          = var.region
  name            = each.key
  cluster         = module.cluster.name
  service_account = google_service_account.nodes.email
  nodes           = each.value.nodes
  gpu             = each.value.gpu
  tpu             = each.value.tpu
}

module "artifact_store" {
  source  = "../artifact-store"
  project = var.project
  region  = var.region
  name    = "${local.name}-artifacts"
}

module "registry" {
  source  = "../registry"
  project = var.project
  region  = var.region
  name    = local.name
}

module "database" {
  source              = "../database"
  project             = var.project
  region              = var.region
  name                = local.name
  network             = module.network.network
  password            = var.database_password
  instance            = var.database
  deletion_protection = var.deletion_protection
}

module "mlflow_identity" {
  source   = "../workload-identity"
  project  = var.project
  name     = "${local.name}-mlflow"
  workload = { namespace = "canario", service_account = "mlflow" }
  buckets  = { (module.artifact_store.name) = "roles/storage.objectUser" }
}

module "handover" {
  source     = "../handover"
  repository = module.registry.repository
  artifacts  = "gs://${module.artifact_store.name}/mlflow"
  database   = { address = module.database.address, password = var.database_password }
  pools      = keys(module.pool)
}
