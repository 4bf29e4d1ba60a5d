# A registry of images, whose tags never move, and one of their signatures, whose tags do; what nobody needs is cleaned up.
resource "google_artifact_registry_repository" "this" {
  # checkov:skip=CKV_GCP_84:images are signed and hold no secrets, so Google's own key is enough
  project         = var.project
  location        = var.region
  repository_id   = var.name
  description     = "Images of ${var.name}"
  format          = "DOCKER"
  deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"

  docker_config {
    immutable_tags = true
  }
  cleanup_policy_dry_run = false
  cleanup_policies {
    id     = "delete-old-untagged"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "${var.clean_up.untagged_days * 86400}s"
    }
  }
  # A policy that keeps images wins over one that deletes them.
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = var.clean_up.keep
    }
  }
}

# A further signature of an image moves the tag that lists its signatures, which a registry of immutable tags refuses.
resource "google_artifact_registry_repository" "signatures" {
  # checkov:skip=CKV_GCP_84:signatures are public, so Google's own key is enough
  project         = var.project
  location        = var.region
  repository_id   = "${var.name}-signatures"
  description     = "Signatures of the images of ${var.name}"
  format          = "DOCKER"
  deletion_policy = var.deletion_protection ? "PREVENT" : "DELETE"

  docker_config {
    immutable_tags = false
  }
  cleanup_policy_dry_run = false
  cleanup_policies {
    id     = "delete-old-untagged"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "${var.clean_up.untagged_days * 86400}s"
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "readers" {
  for_each = { for pair in setproduct(keys(var.readers), ["images", "signatures"]) : join(" ", pair) => pair }
  project  = var.project
  location = var.region
  repository = {
    images     = google_artifact_registry_repository.this.repository_id
    signatures = google_artifact_registry_repository.signatures.repository_id
  }[each.value[1]]
  role   = "roles/artifactregistry.reader"
  member = var.readers[each.value[0]]
}
