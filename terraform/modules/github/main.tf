# The accounts that the workflows in .github/workflows are in the cloud. Each may be used by one environment on GitHub,
# whose rules say which branches and reviewers it wants; no account has a key. A deleted pool or role keeps its name for
# a month, so that each new one has a name of its own.
locals {
  subject = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.this.name}/subject/repo:${var.github_repository}:environment:"
  # Each account may do what its workflow does, and nothing more.
  roles = {
    training = []
    release  = []
    # Brings releases to the cluster.
    deploy = ["roles/container.developer"]
    # Reads everything, to compare it with the code.
    plan = ["roles/viewer", "roles/iam.securityReviewer", "roles/cloudkms.publicKeyViewer"]
    # Makes everything that is in terraform/modules. It gives rights, too, so it is as good as an owner: reviewers decide.
    apply = [
      "roles/artifactregistry.admin", "roles/cloudkms.admin", "roles/cloudkms.publicKeyViewer", "roles/cloudsql.admin", "roles/compute.networkAdmin", "roles/container.admin",
      "roles/iam.roleAdmin", "roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountUser",
      "roles/iam.workloadIdentityPoolAdmin", "roles/resourcemanager.projectIamAdmin", "roles/secretmanager.admin",
      "roles/servicenetworking.networksAdmin", "roles/storage.admin",
    ]
  }
  bound = merge([for purpose in keys(var.environments) : { for role in local.roles[purpose] : "${purpose} ${role}" => { purpose = purpose, role = role } }]...)
  # Roles of an account on the artifacts, the registry and Terraform's bucket.
  connects        = toset(setintersection(keys(var.environments), ["training"]))
  keeps_artifacts = toset(setintersection(keys(var.environments), ["training"]))
  pushes_images   = toset(setintersection(keys(var.environments), ["training", "release"]))
  signs           = toset(setintersection(keys(var.environments), ["training", "release"]))
  reads_state     = toset(setintersection(keys(var.environments), ["plan"]))
  reads_password  = toset(setintersection(keys(var.environments), ["plan", "apply"]))
}

# Stays as long as what is named by it.
resource "terraform_data" "suffix" {
  input = substr(uuid(), 0, 4)

  lifecycle {
    ignore_changes = [input]
  }
}

resource "google_iam_workload_identity_pool" "this" {
  project                   = var.project
  workload_identity_pool_id = "${var.name}-${terraform_data.suffix.output}"
  display_name              = "Workflows of ${var.name}"
}

resource "google_iam_workload_identity_pool_provider" "this" {
  # checkov:skip=CKV_GCP_125:which environment may be which account says each account's own binding, by its whole subject
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.this.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }
  # GitHub gives tokens to every repository of the world.
  attribute_condition = "assertion.repository == '${var.github_repository}'"
  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_project_iam_custom_role" "connect" {
  project     = var.project
  role_id     = replace("${var.name}-connect-${terraform_data.suffix.output}", "-", ".")
  title       = "Connect to clusters"
  description = "Reaches a control plane by its DNS name, and may do there what the cluster's own rules allow."
  permissions = ["container.clusters.connect", "container.clusters.get"]
}

resource "google_service_account" "this" {
  for_each     = var.environments
  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "Workflows in the environment ${each.value}"
}

resource "google_service_account_iam_member" "this" {
  for_each           = var.environments
  service_account_id = google_service_account.this[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "${local.subject}${each.value}"
}

resource "google_project_iam_member" "this" {
  # checkov:skip=CKV_GCP_41:the account that applies gives the nodes and MLflow their accounts
  # checkov:skip=CKV_GCP_42:whatever makes an environment has to be an administrator of it
  # checkov:skip=CKV_GCP_49:whatever makes an environment gives accounts their rights
  # checkov:skip=CKV_GCP_117:the account that plans reads everything, to compare it with the code
  for_each = local.bound
  project  = var.project
  role     = each.value.role
  member   = google_service_account.this[each.value.purpose].member
}

# Reaches the control plane; what it may do in the cluster says `make rights CALLER=`.
resource "google_project_iam_member" "connect" {
  for_each = local.connects
  project  = var.project
  role     = google_project_iam_custom_role.connect.name
  member   = google_service_account.this[each.key].member
}

resource "google_storage_bucket_iam_member" "artifacts" {
  for_each = local.keeps_artifacts
  bucket   = var.artifacts
  role     = "roles/storage.objectUser"
  member   = google_service_account.this[each.key].member
}

# Images, and their signatures in a repository of their own.
resource "google_artifact_registry_repository_iam_member" "images" {
  for_each   = { for pair in setproduct(local.pushes_images, var.registry.repositories) : join(" ", pair) => pair }
  project    = var.project
  location   = var.registry.location
  repository = each.value[1]
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.this[each.value[0]].member
}

resource "google_kms_crypto_key_iam_member" "signs" {
  for_each      = local.signs
  crypto_key_id = var.signing_key
  role          = "roles/cloudkms.signerVerifier"
  member        = google_service_account.this[each.key].member
}

# Cosign asks for the version's algorithm before it signs (cloudkms.cryptoKeyVersions.get), which signerVerifier lacks.
resource "google_kms_crypto_key_iam_member" "reads_key" {
  for_each      = local.signs
  crypto_key_id = var.signing_key
  role          = "roles/cloudkms.viewer"
  member        = google_service_account.this[each.key].member
}

resource "google_storage_bucket_iam_member" "reads_state" {
  for_each = local.reads_state
  bucket   = var.state
  role     = "roles/storage.objectViewer"
  member   = google_service_account.this[each.key].member
}

# Terraform's lock and the saved plans, and not the state itself.
resource "google_storage_bucket_iam_member" "writes_plans" {
  for_each = local.reads_state
  bucket   = var.state
  role     = "roles/storage.objectUser"
  member   = google_service_account.this[each.key].member
  condition {
    title = "lock and plans"
    expression = join(" || ", [
      for start in ["${var.state_prefix}/default.tflock", "plans/${basename(var.state_prefix)}/"] :
      "resource.name.startsWith('projects/_/buckets/${var.state}/objects/${start}')"
    ])
  }
}

resource "google_secret_manager_secret_iam_member" "password" {
  for_each  = local.reads_password
  project   = var.project
  secret_id = var.password_secret
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.this[each.key].member
}
