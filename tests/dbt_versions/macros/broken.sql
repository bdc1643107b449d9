{#- Whether this part of the project is to fail. -#}
{% macro broken(part) %}
  {{- return(part in env_var('SHOP_BREAK', '').split()) -}}
{% endmacro %}
