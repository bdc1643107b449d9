{#- Whether this part of the project is to fail: the recordings need real failures, one at a time. -#}
{% macro broken(part) %}
  {{- return(env_var('JAFFLE_BREAK', '') == part) -}}
{% endmacro %}
