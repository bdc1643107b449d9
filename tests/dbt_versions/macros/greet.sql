{% macro greet() %}
  {%- do run_query("select 'hello'") -%}
{% endmacro %}
