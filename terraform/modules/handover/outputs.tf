output "cluster" {
  description = "The cluster and its project or account; name and location are CLUSTER and LOCATION of the workflow deploy."
  value       = var.cluster
}

output "repository" {
  description = "Prefix of all image names: make's REGISTRY, and the registry that k8s/envs/<env>/configs admits."
  value       = var.repository
}

output "signatures" {
  description = "Name of the repository of signatures: COSIGN_REPOSITORY, and what k8s/envs/<env>/configs says of it."
  value       = var.signatures
}

output "signers" {
  description = "Who signs what runs here: k8s/envs/<env>/signers.yaml."
  value       = var.signers
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
  description = "Content of the secret that the chart canario names in mlflow.secret, but for PGPASSWORD, which database_secret has."
  value = {
    MLFLOW_BACKEND_STORE_URI     = "postgresql://mlflow@${var.database.address}:5432/mlflow?sslmode=require"
    MLFLOW_ARTIFACTS_DESTINATION = var.mlflow.artifacts
  }
}

output "workflows" {
  description = "Variables of the environments on GitHub, by the environment; the workflows read them."
  value = { for environment, variables in var.workflows : environment => merge(variables, {
    CLUSTER  = var.cluster.name
    LOCATION = var.cluster.location
    PROJECT  = var.cluster.account
  }) }
}

output "database_secret" {
  description = "Name of the secret in the cloud that holds the database's password."
  value       = var.database.secret
}

output "pools" {
  description = "Allowed values for `pool` of the chart model-service."
  value       = sort(var.pools)
}
