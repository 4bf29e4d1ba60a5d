output "signers" {
  description = "The key's versions for k8s/envs/<env>/signers.yaml, the one that signs first: name, address and public key."
  value = [for name in var.versions : {
    name = "kms-${name}"
    kms  = "gcpkms://${replace(google_kms_crypto_key_version.this[name].name, "cryptoKeyVersions", "versions")}"
    key  = one(data.google_kms_crypto_key_version.this[name].public_key).pem
  }]
}

output "id" {
  description = "The key as IAM names it."
  value       = google_kms_crypto_key.this.id
}
