{#- Whether this part of the project is to fail: one at a time. -#}
{% macro broken(part) %}
  {{- return(env_var('SHOP_BREAK', '') == part) -}}
{% endmacro %}
