mock_provider "google" {
  source = "../../mocks"
}

variables {
  project = "example-project"
  name    = "canario-artifacts"
  region  = "us-central1"
}

run "the_bucket_is_never_public" {
  command = plan
  assert {
    condition     = google_storage_bucket.this.uniform_bucket_level_access && google_storage_bucket.this.public_access_prevention == "enforced"
    error_message = "somebody could make it public"
  }
}

run "it_is_not_deleted_by_default_and_never_while_it_holds_something" {
  command = plan
  assert {
    condition     = google_storage_bucket.this.deletion_policy == "PREVENT" && google_storage_bucket.this.force_destroy == false
    error_message = "terraform would delete it"
  }
}

run "its_deletion_can_be_allowed" {
  command = plan
  variables {
    deletion_protection = false
  }
  assert {
    condition     = google_storage_bucket.this.deletion_policy == "DELETE" && google_storage_bucket.this.force_destroy == false
    error_message = "it stays, or goes with what it holds"
  }
}

run "an_overwritten_object_stays_for_a_while" {
  command = plan
  assert {
    condition     = google_storage_bucket.this.versioning[0].enabled
    error_message = "it is gone at once"
  }
  assert {
    condition     = anytrue([for rule in google_storage_bucket.this.lifecycle_rule : one(rule.action).type == "Delete" && one(rule.condition).days_since_noncurrent_time == 90])
    error_message = "it stays for ever, or not 90 days"
  }
}

run "google_encrypts_with_its_own_key_by_default" {
  command = plan
  assert {
    condition     = length(google_storage_bucket.this.encryption) == 0 && length(google_kms_crypto_key_iam_member.this) == 0
    error_message = "there is another key"
  }
}

run "a_key_of_ones_own_encrypts_and_cloud_storage_may_use_it" {
  command = plan
  variables {
    kms_key = "projects/example-project/locations/us-central1/keyRings/canario/cryptoKeys/artifacts"
  }
  assert {
    condition     = google_storage_bucket.this.encryption[0].default_kms_key_name == "projects/example-project/locations/us-central1/keyRings/canario/cryptoKeys/artifacts"
    error_message = "the key is not used"
  }
  assert {
    condition     = google_kms_crypto_key_iam_member.this[0].role == "roles/cloudkms.cryptoKeyEncrypterDecrypter"
    error_message = "Cloud Storage may not use the key"
  }
}

run "a_key_of_another_region_is_refused" {
  command         = plan
  expect_failures = [google_storage_bucket.this]
  variables {
    kms_key = "projects/example-project/locations/europe-west4/keyRings/canario/cryptoKeys/artifacts"
  }
}

run "its_example_can_be_planned" {
  command = plan
  module {
    source = "./examples"
  }
  providers = {
    google = google
  }
}
