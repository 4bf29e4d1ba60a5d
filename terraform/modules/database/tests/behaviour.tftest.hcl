mock_provider "google" {}

variables {
  project  = "example-project"
  name     = "canario-staging"
  region   = "us-central1"
  network  = "projects/example-project/global/networks/canario-staging"
  password = "aaaaaaaaaaaaaaaaaaaaaaaa"
}

run "it_has_no_public_address_and_takes_encrypted_calls_only" {
  command = plan
  assert {
    condition     = google_sql_database_instance.this.settings[0].ip_configuration[0].ipv4_enabled == false
    error_message = "it has a public address"
  }
  assert {
    condition     = google_sql_database_instance.this.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY"
    error_message = "it takes calls in the clear"
  }
  assert {
    condition     = google_sql_database_instance.this.settings[0].ip_configuration[0].private_network == var.network
    error_message = "it is in another network"
  }
}

run "it_can_be_had_back_as_it_was_at_any_moment_of_a_week" {
  command = plan
  assert {
    condition     = google_sql_database_instance.this.settings[0].backup_configuration[0].enabled && google_sql_database_instance.this.settings[0].backup_configuration[0].point_in_time_recovery_enabled && google_sql_database_instance.this.settings[0].backup_configuration[0].transaction_log_retention_days == 7
    error_message = "it cannot"
  }
  assert {
    condition     = google_sql_database_instance.this.settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups == 14
    error_message = "there are fewer backups"
  }
}

run "it_is_not_deleted_by_default_by_anybody" {
  command = plan
  assert {
    condition     = google_sql_database_instance.this.deletion_protection && google_sql_database_instance.this.settings[0].deletion_protection_enabled
    error_message = "somebody could delete it"
  }
}

run "a_standby_in_another_zone_can_be_had" {
  command = plan
  variables {
    instance = { highly_available = true }
  }
  assert {
    condition     = google_sql_database_instance.this.settings[0].availability_type == "REGIONAL"
    error_message = "it is in one zone"
  }
}

run "mlflow_has_a_database_and_a_user_that_go_with_the_instance" {
  command = plan
  assert {
    condition     = google_sql_database.mlflow.name == "mlflow" && google_sql_user.mlflow.name == "mlflow"
    error_message = "they have other names"
  }
  assert {
    condition     = google_sql_database.mlflow.deletion_policy == "ABANDON" && google_sql_user.mlflow.deletion_policy == "ABANDON"
    error_message = "PostgreSQL would refuse to drop the owner"
  }
}

run "the_password_is_written_and_kept_nowhere" {
  command = plan
  variables {
    password_version = 3
  }
  assert {
    condition     = google_sql_user.mlflow.password == null && google_sql_user.mlflow.password_wo_version == 3
    error_message = "the state holds it, or a new version is not written"
  }
}

run "a_deleted_instance_does_not_keep_the_next_ones_name" {
  command = apply
  assert {
    condition     = can(regex("^canario-staging-[0-9a-f]{4}$", google_sql_database_instance.this.name))
    error_message = "its name is refused for a week after it is deleted"
  }
}

run "its_example_can_be_planned" {
  command = plan
  module {
    source = "./examples"
  }
  providers = {
    google = google
  }
  variables {
    password = "aaaaaaaaaaaaaaaaaaaaaaaa"
  }
}
