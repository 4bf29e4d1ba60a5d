output "cluster" {
  description = "The cluster (name and location are CLUSTER and LOCATION of the workflow deploy), and whose it is."
  value       = module.platform.cluster
}

output "repository" {
  description = "What images' names begin with: REGISTRY of make, and what k8s/envs/<env>/configs lets in."
  value       = module.platform.repository
}

output "canario" {
  description = "Values of the chart canario: k8s/envs/<env>/canario.yaml."
  value       = module.platform.canario
}

output "mlflow_secret" {
  description = "What the secret that mlflow.secret of the chart canario names must hold."
  value       = module.platform.mlflow_secret
  sensitive   = true
}

output "pools" {
  description = "What `pool` of the chart model-service may be."
  value       = module.platform.pools
}
