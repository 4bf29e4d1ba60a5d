# Versioned, encrypted, never public: packages, runs and snapshots.
resource "google_storage_bucket" "this" {
  project                     = var.project
  name                        = "${var.project}-${var.name}"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.keep_old_days
    }
    action {
      type = "Delete"
    }
  }
  # Without a key of one's own Google encrypts with its own.
  dynamic "encryption" {
    for_each = var.kms_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }
}
