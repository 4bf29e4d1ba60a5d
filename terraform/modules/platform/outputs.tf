output "cluster" {
  description = "The cluster and its project or account; name and location are CLUSTER and LOCATION of the workflow deploy."
  value       = module.handover.cluster
}

output "repository" {
  description = "Prefix of all image names: make's REGISTRY, and the registry that k8s/envs/<env>/configs admits."
  value       = module.handover.repository
}

output "signatures" {
  description = "Name of the repository of signatures: COSIGN_REPOSITORY, and what k8s/envs/<env>/configs says of it."
  value       = module.handover.signatures
}

output "signers" {
  description = "Who signs what runs here: k8s/envs/<env>/signers.yaml."
  value       = module.handover.signers
}

output "canario" {
  description = "Values of the chart canario: k8s/envs/<env>/canario.yaml."
  value       = module.handover.canario
}

output "mlflow_secret" {
  description = "Content of the secret that the chart canario names in mlflow.secret, but for PGPASSWORD, which database_secret has."
  value       = module.handover.mlflow_secret
}

output "workflows" {
  description = "Variables of the environments on GitHub, by the environment; the workflows read them."
  value       = module.handover.workflows
}

output "database_secret" {
  description = "Name of the secret in the cloud that holds the database's password."
  value       = module.handover.database_secret
}

output "pools" {
  description = "Allowed values for `pool` of the chart model-service."
  value       = module.handover.pools
}
