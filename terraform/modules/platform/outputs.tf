output "canario" {
  description = "Values of the chart canario."
  value       = module.handover.canario
}

output "mlflow_secret" {
  description = "What MLflow's secret must hold."
  value       = module.handover.mlflow_secret
  sensitive   = true
}

output "pools" {
  description = "What `pool` of the chart model-service may be."
  value       = module.handover.pools
}
