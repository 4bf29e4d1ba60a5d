# Versioned, encrypted, never public: packages, runs and snapshots.
resource "google_storage_bucket" "this" {
  # checkov:skip=CKV_GCP_62:who read what is in Cloud Audit Logs, where an administrator turns data access on
  project                     = var.project
  name                        = "${var.project}-${var.name}"
  location                    = var.region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false
  deletion_policy             = var.deletion_protection ? "PREVENT" : "DELETE"

  versioning {
    enabled = true
  }
  soft_delete_policy {
    retention_duration_seconds = 7 * 86400
  }
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.keep_old_days
    }
    action {
      type = "Delete"
    }
  }
  # Removes the parts of uploads that broke off.
  lifecycle_rule {
    condition {
      age = 7
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }
  # Without this key Google encrypts with its own.
  dynamic "encryption" {
    for_each = var.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

  lifecycle {
    precondition {
      condition     = var.kms_key == null || try(split("/", var.kms_key)[3] == var.region, false)
      error_message = "kms_key must be in the bucket's region (${var.region})."
    }
  }
  depends_on = [google_kms_crypto_key_iam_member.this]
}

# Cloud Storage itself uses the key, through its own account in this project.
data "google_storage_project_service_account" "this" {
  count   = var.kms_key == null ? 0 : 1
  project = var.project
}

resource "google_kms_crypto_key_iam_member" "this" {
  count         = var.kms_key == null ? 0 : 1
  crypto_key_id = var.kms_key
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = data.google_storage_project_service_account.this[0].member
}
