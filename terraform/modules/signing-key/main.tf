# The key that signs an environment's packages and images. It never leaves Google's KMS, so nobody can lose or copy it.
resource "google_kms_key_ring" "this" {
  project  = var.project
  location = var.region
  name     = var.name
}

resource "google_kms_crypto_key" "this" {
  # checkov:skip=CKV_GCP_43:a key that signs is exchanged by adding a version and removing the old one; no timer knows who believes it
  # checkov:skip=CKV_GCP_82:lifecycle takes no variable; without it a destroyed environment would leave a key that costs
  key_ring                      = google_kms_key_ring.this.id
  name                          = "images"
  purpose                       = "ASYMMETRIC_SIGN"
  skip_initial_version_creation = true
  # A version that was removed by mistake can be restored for so long.
  destroy_scheduled_duration = "2592000s"

  version_template {
    # The only one that signs both packages and images: components/signing/keys.py.
    algorithm        = "EC_SIGN_P256_SHA256"
    protection_level = var.protection_level
  }
}

resource "google_kms_crypto_key_version" "this" {
  for_each   = toset(var.versions)
  crypto_key = google_kms_crypto_key.this.id
}

data "google_kms_crypto_key_version" "this" {
  for_each   = google_kms_crypto_key_version.this
  crypto_key = google_kms_crypto_key.this.id
  version    = basename(each.value.name)
}

resource "google_kms_crypto_key_iam_member" "signers" {
  for_each      = var.signers
  crypto_key_id = google_kms_crypto_key.this.id
  role          = "roles/cloudkms.signerVerifier"
  member        = each.value
}

# Cosign asks for the version's algorithm before it signs (cloudkms.cryptoKeyVersions.get), which signerVerifier lacks.
resource "google_kms_crypto_key_iam_member" "readers" {
  for_each      = var.signers
  crypto_key_id = google_kms_crypto_key.this.id
  role          = "roles/cloudkms.viewer"
  member        = each.value
}
