module "mlflow" {
  source        = "../"
  project       = "example-project"
  name          = "canario-mlflow"
  workload_pool = "example-project.svc.id.goog"
  workload      = { namespace = "canario", service_account = "mlflow" }
  buckets       = { example-project-canario-artifacts = "roles/storage.objectUser" }
}
