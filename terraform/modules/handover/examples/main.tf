module "handover" {
  source     = "../"
  cluster    = { name = "canario-staging", location = "us-central1", account = "example" }
  repository = "registry.local/canario"
  signatures = "registry.local/canario-signatures/images"
  signers    = [{ name = "kms-first", kms = "awskms:///alias/canario-staging", key = "-----BEGIN PUBLIC KEY-----" }]
  pools      = ["cpu"]
  database   = { address = "10.0.0.5", secret = "canario-staging-database" }
  mlflow     = { artifacts = "s3://example-artifacts/mlflow" }
}
