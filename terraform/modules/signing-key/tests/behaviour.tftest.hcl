mock_provider "google" {
  mock_data "google_kms_crypto_key_version" {
    defaults = {
      public_key = [{ algorithm = "EC_SIGN_P256_SHA256", pem = "-----BEGIN PUBLIC KEY-----" }]
    }
  }
  mock_resource "google_kms_key_ring" {
    defaults = {
      id = "projects/example-project/locations/us-central1/keyRings/canario-staging"
    }
  }
  mock_resource "google_kms_crypto_key" {
    defaults = {
      id = "projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images"
    }
  }
  mock_resource "google_kms_crypto_key_version" {
    defaults = {
      name = "projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images/cryptoKeyVersions/3"
    }
  }
}

variables {
  project = "example-project"
  name    = "canario-staging"
  region  = "us-central1"
}

run "it_signs_as_packages_and_images_are_signed" {
  command = plan
  assert {
    condition     = google_kms_crypto_key.this.purpose == "ASYMMETRIC_SIGN" && google_kms_crypto_key.this.version_template[0].algorithm == "EC_SIGN_P256_SHA256"
    error_message = "make sign and make publish could not use it"
  }
}

run "a_version_that_was_removed_can_be_restored" {
  command = plan
  assert {
    condition     = google_kms_crypto_key.this.destroy_scheduled_duration == "2592000s"
    error_message = "it is gone at once, and with it the way to sign"
  }
}

run "nobody_signs_who_is_not_named" {
  command = plan
  assert {
    condition     = length(google_kms_crypto_key_iam_member.signers) == 0
    error_message = "somebody may"
  }
}

# signerVerifier alone lacks cloudkms.cryptoKeyVersions.get, by which cosign learns the version's algorithm.
run "who_is_named_may_sign_and_no_more" {
  command = plan
  variables {
    signers = ["group:releases@example.com"]
  }
  assert {
    condition     = google_kms_crypto_key_iam_member.signers["group:releases@example.com"].role == "roles/cloudkms.signerVerifier"
    error_message = "they may do something else"
  }
  assert {
    condition     = google_kms_crypto_key_iam_member.readers["group:releases@example.com"].role == "roles/cloudkms.viewer"
    error_message = "cosign cannot ask for the version's algorithm"
  }
}

run "the_first_version_signs_and_both_are_handed_over" {
  variables {
    versions = ["2027-05", "2026-11"]
  }
  assert {
    condition     = [for one in output.signers : one.name] == ["kms-2027-05", "kms-2026-11"]
    error_message = "the wrong one signs, or the old one is not believed any more"
  }
  assert {
    condition     = output.signers[0].kms == "gcpkms://projects/example-project/locations/us-central1/keyRings/canario-staging/cryptoKeys/images/versions/3"
    error_message = "cosign does not find it"
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
