mock_provider "google" {}

variables {
  project = "example-project"
  name    = "canario-staging"
  region  = "us-central1"
}

run "a_tag_is_never_moved" {
  command = plan
  assert {
    condition     = google_artifact_registry_repository.this.docker_config[0].immutable_tags
    error_message = "a tag could name another image tomorrow"
  }
}

run "signatures_have_a_registry_whose_tags_move" {
  command = plan
  assert {
    condition     = !google_artifact_registry_repository.signatures.docker_config[0].immutable_tags
    error_message = "a second signature of an image is refused"
  }
  assert {
    condition     = output.signatures == "us-central1-docker.pkg.dev/example-project/canario-staging-signatures/images"
    error_message = "they are somewhere else"
  }
}

run "old_images_without_a_tag_go_and_the_newest_stay" {
  command = plan
  assert {
    condition     = one([for policy in google_artifact_registry_repository.this.cleanup_policies : policy if policy.action == "DELETE"]).condition[0].older_than == "2592000s"
    error_message = "they stay"
  }
  assert {
    condition     = one([for policy in google_artifact_registry_repository.this.cleanup_policies : policy if policy.action == "KEEP"]).most_recent_versions[0].keep_count == 20
    error_message = "the newest go"
  }
  assert {
    condition     = google_artifact_registry_repository.this.cleanup_policy_dry_run == false
    error_message = "nothing is cleaned up"
  }
}

run "who_is_named_reads_images_and_signatures_and_no_more" {
  command = plan
  variables {
    readers = { kyverno = "principal://iam.googleapis.com/x" }
  }
  assert {
    condition     = toset([for one in google_artifact_registry_repository_iam_member.readers : one.repository]) == toset(["canario-staging", "canario-staging-signatures"])
    error_message = "one of the two cannot be read"
  }
  assert {
    condition     = toset([for one in google_artifact_registry_repository_iam_member.readers : "${one.member} ${one.role}"]) == toset(["principal://iam.googleapis.com/x roles/artifactregistry.reader"])
    error_message = "others may read, or they may write"
  }
}

run "it_is_not_deleted_by_default" {
  command = plan
  assert {
    condition     = google_artifact_registry_repository.this.deletion_policy == "PREVENT"
    error_message = "terraform would delete it"
  }
}

run "images_names_begin_with_its_address" {
  command = plan
  assert {
    condition     = output.repository == "us-central1-docker.pkg.dev/example-project/canario-staging"
    error_message = "they begin with something else"
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
}
