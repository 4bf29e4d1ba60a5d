output "cluster" {
  description = "The cluster (name and location are CLUSTER and LOCATION of the workflow deploy), and whose it is."
  value       = var.cluster
}

output "repository" {
  description = "What images' names begin with: REGISTRY of make, and what k8s/envs/<env>/configs lets in."
  value       = var.repository
}

output "canario" {
  description = "Values of the chart canario: k8s/envs/<env>/canario.yaml."
  value = {
    judge = { image = { repository = "${var.repository}/judge" } }
    mlflow = {
      enabled        = true
      image          = { repository = "${var.repository}/mlflow" }
      serviceAccount = { annotations = var.mlflow.annotations }
    }
  }
}

output "mlflow_secret" {
  description = "What the secret that mlflow.secret of the chart canario names must hold."
  sensitive   = true
  value = {
    MLFLOW_BACKEND_STORE_URI     = "postgresql://mlflow:${var.database.password}@${var.database.address}:5432/mlflow?sslmode=require"
    MLFLOW_ARTIFACTS_DESTINATION = var.mlflow.artifacts
  }
}

output "pools" {
  description = "What `pool` of the chart model-service may be."
  value       = sort(var.pools)
}
