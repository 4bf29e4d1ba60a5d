# The outputs that the charts, k8s/envs and the workflows need of a cloud, in their own terms. The module makes no
# resources and names no cloud: a composition for another cloud uses it too. It has no provider, so its tests run anywhere.
terraform {
  required_version = ">= 1.11"
}
