output "address" {
  description = "Private address."
  value       = google_sql_database_instance.this.private_ip_address
}
