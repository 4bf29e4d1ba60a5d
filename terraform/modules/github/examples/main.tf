module "github" {
  source            = "../"
  project           = "example-project"
  name              = "canario-staging"
  github_repository = "example/canario"
  environments      = { training = "training", deploy = "staging", plan = "staging-plan", apply = "staging-apply" }
  artifacts         = "example-project-canario-staging-artifacts"
  registry          = { name = "canario-staging", location = "us-central1" }
  state             = "example-project-state"
  state_prefix      = "canario/staging"
  password_secret   = "canario-staging-database"
}
